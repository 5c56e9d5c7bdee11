"""Which models are held against which library: a case for each task and format."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import equality_media as media
from bench import equality_requests as asked
from bench import equality_texts as texts
from bench import small_models
from bench.equality_answers import Oracle
from examples.demo import Example, make_model

Make = Callable[[Path, Path], None]
_ENTAILMENT = dict(enumerate(["contradiction", "neutral", "entailment"]))
_ENTITIES = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))


@dataclass(frozen=True)
class Case:
    """A model, what makes its folder, how it is asked, and what its library says.

    `make` takes the folder, and another one whose tokenizer it may copy. `route` is the task's own;
    the crowd asks there and at /predict in turns.
    """

    task: str
    format: str
    model: str
    oracle_name: str
    make: Make
    route: str
    build: asked.Build
    oracle: Oracle
    read: asked.Read
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Task and format, which are a row's name."""
        return f"{self.task}, {self.format}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Where it may be asked."""
        return (self.route,) if self.route.startswith("/v1/") else (self.route, "/predict")


def run_example(name: str) -> Make:
    """Return what runs an example's make.py."""
    example = Example(name, lambda _url: None)
    return lambda folder, _words: make_model(example, folder)


def make_h5(folder: Path, _words: Path) -> None:
    """Run the Keras example for the older of its two files."""
    make_model(Example("keras-classifier", lambda _url: None), folder, "--format", "h5")


def encoder(head: str, **settings: object) -> Make:
    """Return what writes a small BERT."""
    return lambda folder, words: small_models.write_encoder(folder, words, head, **settings)


def seq2seq(model_class: str) -> Make:
    """Return what writes a small encoder-decoder model."""
    return lambda folder, words: small_models.write_seq2seq(folder, words, model_class)


def program(form: str) -> Make:
    """Return what writes the small module of two inputs."""
    return lambda folder, _words: small_models.write_program(folder, form)


def run_small(form: str, library: str, *options: str, oracle: Oracle = media.run_torch) -> Case:
    """Return the case of the small module in a format."""
    return Case(
        task="predict",
        format=form,
        model="small module",
        oracle_name=library,
        make=program(form),
        route="/tensors",
        build=asked.build_tensors,
        oracle=oracle,
        read=asked.read_outputs,
        options=options,
    )


_PIPELINE = "pipeline"

CASES = (
    Case(
        task="text-generation",
        format="transformers",
        model="small Llama",
        oracle_name="AutoModelForCausalLM.generate",
        make=small_models.write_decoder,
        route="/v1/completions",
        build=asked.build_numbered_prompts,
        oracle=texts.generate,
        read=asked.read_completion,
    ),
    Case(
        task="text-generation",
        format="gguf",
        model="example smollm2",
        oracle_name="transformers' reading of the GGUF",
        make=run_example("smollm2"),
        route="/v1/completions",
        build=asked.build_prompts,
        oracle=texts.generate,
        read=asked.read_completion,
    ),
    Case(
        task="embeddings",
        format="transformers",
        model="example minilm",
        oracle_name="AutoModel, mean, norm",
        make=run_example("minilm"),
        route="/embeddings",
        build=asked.of_texts(),
        oracle=texts.embed,
        read=asked.read_vector,
    ),
    Case(
        task="rerank",
        format="transformers",
        model="small BERT",
        oracle_name=_PIPELINE,
        make=encoder("BertForSequenceClassification", num_labels=1),
        route="/rerank",
        build=asked.build_pairs,
        oracle=texts.rerank,
        read=asked.read_ranking,
        options=("--task", "rerank"),
    ),
    Case(
        task="fill-mask",
        format="transformers",
        model="example fill_mask",
        oracle_name=_PIPELINE,
        make=run_example("fill-mask"),
        route="/fill-mask",
        build=asked.build_masked,
        oracle=texts.fill,
        read=asked.read_candidates,
    ),
    Case(
        task="text-classification",
        format="transformers",
        model="example sentiment",
        oracle_name=_PIPELINE,
        make=run_example("sentiment"),
        route="/text-classification",
        build=asked.of_texts(top_k=2),
        oracle=texts.classify,
        read=asked.read_labels,
    ),
    Case(
        task="token-classification",
        format="transformers",
        model="small BERT",
        oracle_name=_PIPELINE,
        make=encoder("BertForTokenClassification", id2label=_ENTITIES),
        route="/token-classification",
        build=asked.of_texts(),
        oracle=texts.tag,
        read=asked.read_entities,
    ),
    Case(
        task="question-answering",
        format="transformers",
        model="small BERT",
        oracle_name="AutoModelForQuestionAnswering",
        make=encoder("BertForQuestionAnswering"),
        route="/question-answering",
        build=asked.build_questions,
        oracle=texts.answer_questions,
        read=asked.read_span,
    ),
    Case(
        task="zero-shot-classification",
        format="transformers",
        model="small BERT",
        oracle_name=_PIPELINE,
        make=encoder(
            "BertForSequenceClassification",
            id2label=_ENTAILMENT,
            label2id={label: number for number, label in _ENTAILMENT.items()},
        ),
        route="/zero-shot-classification",
        build=asked.build_labellings,
        oracle=texts.label_by_inference,
        read=asked.read_label_ranking,
        options=("--task", "zero-shot-classification"),
    ),
    Case(
        task="summarization",
        format="transformers",
        model="small BART",
        oracle_name="AutoModelForSeq2SeqLM.generate",
        make=seq2seq("BartForConditionalGeneration"),
        route="/summarize",
        build=asked.of_texts(max_tokens=12),
        oracle=texts.rewrite,
        read=asked.read_text,
        options=("--task", "summarization"),
    ),
    Case(
        task="translation",
        format="transformers",
        model="small Marian",
        oracle_name="AutoModelForSeq2SeqLM.generate",
        make=seq2seq("MarianMTModel"),
        route="/translate",
        build=asked.of_texts(max_tokens=12),
        oracle=texts.rewrite,
        read=asked.read_text,
    ),
    Case(
        task="translation",
        format="state-dict",
        model="example translator",
        oracle_name="the class, in torch",
        make=run_example("translator"),
        route="/translate",
        build=asked.build_numbers,
        oracle=media.run_translator,
        read=asked.read_text,
        options=("--task", "translation", "--entrypoint", "translator:Translator", "--allow-code"),
    ),
    Case(
        task="image-classification",
        format="transformers",
        model="example shapes",
        oracle_name=_PIPELINE,
        make=run_example("shapes"),
        route="/image-classification",
        build=partial(asked.build_pictures, top_k=100),
        oracle=media.classify_pictures,
        read=asked.read_labels,
    ),
    Case(
        task="object-detection",
        format="transformers",
        model="small YOLOS",
        oracle_name="AutoModelForObjectDetection",
        make=lambda folder, _words: small_models.write_detector(folder),
        route="/object-detection",
        build=partial(asked.build_pictures, threshold=0.3),
        oracle=media.detect,
        read=asked.read_objects,
    ),
    Case(
        task="automatic-speech-recognition",
        format="transformers",
        model="example whisper",
        oracle_name=_PIPELINE,
        make=run_example("whisper"),
        route="/automatic-speech-recognition",
        build=asked.build_sounds,
        oracle=media.transcribe,
        read=asked.read_text,
        options=("--task", "automatic-speech-recognition"),
    ),
    run_small("onnx", "onnxruntime", oracle=media.run_onnx),
    run_small("torch-export", "torch", "--allow-code"),
    run_small("torchscript", "torch", "--allow-code"),
    run_small("state-dict", "torch", "--allow-code", "--entrypoint", "mixing:Mixing"),
    Case(
        task="predict",
        format="keras (.keras)",
        model="example keras_classifier",
        oracle_name="keras",
        make=run_example("keras-classifier"),
        route="/tensors",
        build=asked.build_machines,
        oracle=media.run_keras,
        read=asked.read_outputs,
    ),
    Case(
        task="predict",
        format="keras (.h5)",
        model="example keras_classifier",
        oracle_name="keras",
        make=make_h5,
        route="/tensors",
        build=asked.build_machines,
        oracle=media.run_keras,
        read=asked.read_outputs,
    ),
)
