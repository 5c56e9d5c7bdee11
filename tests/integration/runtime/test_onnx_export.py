"""What onnxruntime computes of a model is what torch computes, and what cannot be is refused."""

import logging

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PretrainedConfig

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Format, Optimize, Pruning, Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.engine.backends.builders import build_backend
from modelyard_runtime.engine.backends.optimizing import optimize
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.calls import recorded_calls
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.exported import ExportedModel
from modelyard_runtime.loading.onnx_export import export_model
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.transformers_folder import load
from modelyard_runtime.loading.vetting import vet_folder
from modelyard_runtime.optimization.examples import read_examples
from modelyard_runtime.tasks.table import SPECS
from tests.support.letter_tokenizer import VOCABULARY, write_letter_tokenizer
from tests.support.picture_models import write_resnet, write_vit
from tests.support.text_models import write_bert, write_decoder
from tests.support.tiny_models import GIB, running, write_model

ONNX = Optimize(export="onnx", min_agreement=1.0)
_NOT_FLOAT32 = (
    "spec.optimize.export is for models in float32 on a CPU, and this one is in bfloat16 on cpu"
)
ENTAILMENT = {0: "contradiction", 1: "neutral", 2: "entailment"}


def write_letters(folder, model_class, **settings):
    given = {"vocab_size": len(VOCABULARY), "pad_token_id": 0, "num_hidden_layers": 2}
    write_model(folder, model_class, **{**given, **settings})
    return write_letter_tokenizer(folder)


def write_tagger(folder):
    labels = {0: "O", 1: "B-PER", 2: "I-PER"}
    return write_letters(folder, "BertForTokenClassification", id2label=labels)


MODELS = {
    "text-classification": write_bert,
    "a decoder that classifies": write_decoder,
    "token-classification": write_tagger,
    "fill-mask": lambda folder: write_letters(folder, "BertForMaskedLM"),
    "embeddings": lambda folder: write_letters(folder, "BertModel"),
    "rerank": lambda folder: write_letters(folder, "BertForSequenceClassification", num_labels=1),
    "zero-shot-classification": lambda folder: write_letters(
        folder, "DistilBertForSequenceClassification", id2label=ENTAILMENT
    ),
    "question-answering": lambda folder: write_letters(folder, "BertForQuestionAnswering"),
    "image-classification": write_vit,
    "pictures of any size": write_resnet,
}
TASKS = {
    "a decoder that classifies": Task.TEXT_CLASSIFICATION,
    "pictures of any size": Task.IMAGE_CLASSIFICATION,
}


@pytest.fixture(scope="module", params=MODELS)
def folder_and_task(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    MODELS[request.param](folder)
    return folder, TASKS.get(request.param) or Task(request.param)


def load_model(folder, task, dtype=DType.AUTO):
    vetted = vet_folder(folder)
    return load(Wanted(vetted, detect(vetted, task, Format.AUTO), dtype, 16 * GIB))


def ask(loaded, bodies, *, at_once):
    """The answers as clients see them; all rows in one batch, or each in one of its own."""
    backend, spec = build_backend(loaded), SPECS[loaded.wanted.detected.task]
    items = [(body, item) for body in bodies for item in spec.to_items(body)]
    rows = [backend.prepare(item) for _, item in items]
    flat = [row for some in rows for row in some]
    made = iter(backend.compute(flat) if at_once else [backend.compute([row])[0] for row in flat])
    results = [
        (body, backend.finish(item, some, [next(made) for _ in some]))
        for (body, item), some in zip(items, rows, strict=True)
    ]
    return [
        spec.to_answer(body, [result for whose, result in results if whose is body])
        for body in bodies
    ]


def spread(value):
    """The numbers and words of an answer, one by one."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return [leaf for key in value for leaf in [key, *spread(value[key])]]
    if isinstance(value, list | tuple):
        return [leaf for one in value for leaf in spread(one)]
    return [value]


def about(answers):
    """What equals these answers, if their numbers are near enough."""
    leaves = spread(answers)
    return [pytest.approx(leaf, abs=1e-4) if isinstance(leaf, float) else leaf for leaf in leaves]


def test_onnxruntime_answers_as_torch_does_alone_and_in_a_crowd(folder_and_task):
    folder, task = folder_and_task
    plain = load_model(folder, task)
    sample = build_backend(plain).sample()
    bodies = [example.body for example in read_examples(SPECS[task], None, sample)]
    bodies = [body.model_copy() for body in bodies * 2][:16]
    expected = ask(plain, bodies, at_once=False)
    exported = optimize(load_model(folder, task), ONNX)
    assert isinstance(exported.model, ExportedModel)
    told = exported.optimization
    assert (told.steps, told.agreement) == ("onnx", 1.0)
    assert told.after.size_bytes == exported.size_bytes
    assert exported.size_bytes < 1.2 * plain.size_bytes + 100_000
    assert spread(ask(exported, bodies, at_once=False)) == about(expected)
    assert spread(ask(exported, bodies, at_once=True)) == about(expected)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_letters(tmp_path_factory.mktemp("bert"), "BertForSequenceClassification")


async def test_the_engine_serves_what_was_pruned_and_exported_and_explains_nothing(bert, capfd):
    wanted = Optimize(export="onnx", pruning=Pruning(sparsity=0.3), min_agreement=0.0)
    async with running(bert, optimize=wanted) as engine:
        (one,) = await engine.run([TextInput("who is angela")])
    assert engine.info.optimization.steps == "pruning 0.3, onnx"
    assert (engine.info.device, engine.info.dtype) == ("cpu", "float32")
    assert sum(one.scores.values()) == pytest.approx(1.0, abs=1e-4)
    assert engine.unexplained.startswith("This model cannot be explained, since onnxruntime ")
    # Lines that are no JSON would be lost, or worse, break what reads the log.
    assert capfd.readouterr().out == ""


class Odd(nn.Module):
    """Stands in for an architecture that has its moods."""

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self, trouble):
        super().__init__()
        self.config = PretrainedConfig(architectures=["Odd"])
        self.config.model_type = "odd"
        self._layer = nn.Linear(1, 3).requires_grad_(requires_grad=False)
        self._trouble = trouble
        self._calls = 0

    def get_input_embeddings(self):
        raise NotImplementedError

    def forward(self, input_ids):
        self._calls += 1
        logits = self._layer(input_ids.unsqueeze(-1).float()).sum(dim=1)
        if self._trouble == "looks at numbers" and input_ids.sum() > 0:
            logits = logits * 2
        if self._trouble == "depends on the past":
            logits = logits + self._calls
        return {"logits": logits}


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        ("looks at numbers", "GuardOnDataDependentSymNode: Could not guard on data-dependent "),
        ("depends on the past", "its answers then differ by "),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_line(trouble, cause, capfd, caplog):
    model = Odd(trouble).eval()
    with recorded_calls(model) as calls:
        for size in (1, 3):
            model(input_ids=torch.arange(4 * size).reshape(size, 4))
    with pytest.raises(CannotStart) as caught:
        export_model(model, calls, 16 * GIB)
    refused = "spec.optimize.export: a model of type odd cannot be converted to ONNX: "
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.message.startswith(refused + cause)
    assert "\n" not in caught.value.message
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


def test_numbers_other_than_float32_are_refused(bert):
    with pytest.raises(CannotStart) as caught:
        optimize(load_model(bert, Task.AUTO, DType.BFLOAT16), ONNX)
    assert (caught.value.reason, caught.value.message) == (
        Reason.CONFIG_INVALID,
        _NOT_FLOAT32,
    )


def test_a_pod_too_small_for_the_exporter_is_told_before_it_runs_out_of_memory():
    model = Odd("").eval()
    with recorded_calls(model) as calls:
        model(input_ids=torch.arange(8).reshape(2, 4))
    with pytest.raises(CannotStart) as caught:
        export_model(model, calls, GIB // 4)
    assert caught.value.reason is Reason.NOT_ENOUGH_MEMORY
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_the_weights_of_torch_are_dropped():
    model = Odd("").eval()
    with recorded_calls(model) as calls:
        model(input_ids=torch.arange(8).reshape(2, 4))
    exported = export_model(model, calls, 16 * GIB)
    assert all(parameter.is_meta for parameter in model.parameters())
    torch.testing.assert_close(exported(**calls[0].inputs).logits, calls[0].outputs["logits"])
