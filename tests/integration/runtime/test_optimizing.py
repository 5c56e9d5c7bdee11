"""spec.optimize on loaded models: what becomes of their layers, and what is told of it."""

import json

import pytest
import torch

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Format, Optimize, Pruning, Quantization, Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.engine.backends.optimizing import optimize
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.optimizing import weigh
from modelyard_runtime.loading.packing import PackedLinear
from modelyard_runtime.loading.quantized_layers import Int8Embedding, QuantizedLinear
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.transformers_folder import load
from modelyard_runtime.loading.vetting import vet_folder
from tests.support.picture_models import write_resnet
from tests.support.text_models import write_bert
from tests.support.tiny_models import GIB, generate, running, write_model

#: Of random models little may be left; what is tested is not whether.
ANY = {"min_agreement": 0.0}
T5 = {
    "num_decoder_layers": 3,
    "d_kv": 16,
    "d_ff": 96,
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("optimizing")
    writers = {
        "bert": write_bert,
        "llama": lambda folder: write_model(folder, "LlamaForCausalLM"),
        "tied": lambda folder: write_model(folder, "LlamaForCausalLM", tie_word_embeddings=True),
        "t5": lambda folder: write_model(folder, "T5ForConditionalGeneration", **T5),
        "gpt2": lambda folder: write_model(folder, "GPT2LMHeadModel"),
        "resnet": write_resnet,
    }
    for name, write in writers.items():
        (root / name).mkdir()
        write(root / name)
    return root


def load_model(folder, task=Task.AUTO):
    vetted = vet_folder(folder)
    detected = detect(vetted, task, Format.AUTO)
    return load(Wanted(vetted, detected, DType.AUTO, 16 * GIB))


def count(model, kind):
    return sum(isinstance(module, kind) for module in model.modules())


def share_of_zeros(model, last=None):
    layers = [m for m in model.modules() if isinstance(m, PackedLinear) and m is not last]
    zeros = sum(int((layer.to_dense() == 0).sum()) for layer in layers)
    return zeros / sum(layer.in_features * layer.out_features for layer in layers)


@pytest.mark.parametrize("name", ["bert", "llama", "tied", "t5"])
@pytest.mark.parametrize("kind", ["dynamic-int8", "int8", "int4"])
def test_all_linear_layers_and_the_words_are_quantised_and_it_weighs_less(folders, name, kind):
    loaded = load_model(folders / name)
    linears = count(loaded.model, PackedLinear | torch.nn.Linear)
    assert weigh(loaded.model) == loaded.size_bytes
    better = optimize(loaded, Optimize(quantization=Quantization(kind), **ANY))
    odd = 1 if (name, kind) == ("bert", "int4") else 0  # three labels are no 16
    assert count(better.model, QuantizedLinear) == linears - odd
    assert count(better.model, Int8Embedding) >= 1
    told = better.optimization
    assert (told.steps, told.before.size_bytes) == (kind, loaded.size_bytes)
    assert told.after.size_bytes == better.size_bytes == weigh(better.model)
    assert better.size_bytes < 0.45 * loaded.size_bytes
    assert told.before.milliseconds > 0 < told.after.milliseconds
    assert (told.before.accuracy, told.after.accuracy) == (None, None)


def test_pruning_makes_the_smallest_weights_zero_but_not_in_the_last_layer(folders):
    loaded = load_model(folders / "llama")
    last = loaded.model.get_output_embeddings()
    before = loaded.model.model.layers[0].mlp.up_proj.to_dense()
    better = optimize(loaded, Optimize(pruning=Pruning(sparsity=0.5), **ANY))
    assert share_of_zeros(better.model, last) == pytest.approx(0.5, abs=0.001)
    assert bool((last.to_dense() != 0).all())
    after = better.model.model.layers[0].mlp.up_proj.to_dense()
    kept = after != 0
    torch.testing.assert_close(after[kept], before[kept])
    assert before[~kept].abs().max() <= before[kept].abs().min()
    assert (better.size_bytes, better.optimization.steps) == (loaded.size_bytes, "pruning 0.5")


def test_what_is_pruned_can_be_quantised_too(folders):
    loaded = load_model(folders / "bert")
    wanted = Optimize(pruning=Pruning(sparsity=0.25), quantization=Quantization.INT8, **ANY)
    assert optimize(loaded, wanted).optimization.steps == "pruning 0.25, int8"


@pytest.mark.parametrize(
    ("name", "wanted", "who"),
    [
        ("gpt2", Optimize(pruning=Pruning(sparsity=0.5), **ANY), "GPT2LMHeadModel"),
        ("resnet", Optimize(quantization="int4", **ANY), "ResNetForImageClassification"),
    ],
)
def test_a_model_without_such_layers_is_refused(folders, name, wanted, who):
    with pytest.raises(CannotStart) as caught:
        optimize(load_model(folders / name), wanted)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.message == (
        f"spec.optimize asks for {wanted.steps}, and {who} has no linear layer to which that "
        "applies"
    )


def test_too_little_agreement_is_refused_with_its_figure(tmp_path):
    write_model(tmp_path, "LlamaForCausalLM")
    texts = [" ".join(f"t{first + 7 * n}" for n in range(12)) for first in range(12)]
    document = [{"request": {"text": text}} for text in texts]
    (tmp_path / "evaluation.json").write_text(json.dumps(document))
    wanted = Optimize(pruning=Pruning(sparsity=0.95), min_agreement=1.0)
    with pytest.raises(CannotStart) as caught:
        optimize(load_model(tmp_path), wanted)
    assert caught.value.reason is Reason.OPTIMIZATION_FAILED
    assert caught.value.message.startswith("After pruning 0.95 only ")
    assert caught.value.message.endswith(
        "% of what the model answers to 12 examples is as before, and "
        "spec.optimize.minAgreement is 100.0%"
    )


def test_a_models_own_examples_tell_how_often_it_is_right(tmp_path):
    write_bert(tmp_path)
    labels = ["LABEL_0", "LABEL_1", "LABEL_2"]
    document = [{"request": {"text": "abc"}, "expect": {"label": label}} for label in labels]
    (tmp_path / "evaluation.json").write_text(json.dumps(document))
    better = optimize(load_model(tmp_path), Optimize(quantization=Quantization.INT8))
    told = better.optimization
    assert (told.examples, told.agreement) == (3, 1.0)
    assert (told.before.accuracy, told.after.accuracy) == (0.3333, 0.3333)


def test_an_example_that_the_model_cannot_answer_is_refused(tmp_path):
    write_bert(tmp_path)
    document = [{"request": {"text": ""}}]
    (tmp_path / "evaluation.json").write_text(json.dumps(document))
    with pytest.raises(CannotStart) as caught:
        optimize(load_model(tmp_path), Optimize(quantization=Quantization.INT8))
    assert (caught.value.reason, caught.value.message) == (
        Reason.CONFIG_INVALID,
        "The model cannot answer an example that it is measured with: the text is empty",
    )


async def test_a_quantised_classifier_answers_the_same_alone_and_in_a_crowd(folders):
    texts = [TextInput("abc"[: 1 + n % 3] * (1 + n)) for n in range(16)]
    wanted = Optimize(quantization=Quantization.DYNAMIC_INT8, **ANY)
    async with running(folders / "bert", optimize=wanted) as engine:
        alone = [(await engine.run([text]))[0] for text in texts]
        together = await engine.run(texts)
    assert engine.info.optimization.steps == "dynamic-int8"
    for one, other in zip(alone, together, strict=True):
        assert dict(one.scores) == pytest.approx(dict(other.scores), abs=1e-4)


@pytest.mark.parametrize("kind", ["dynamic-int8", "int8", "int4"])
async def test_a_quantised_language_model_generates(folders, kind):
    wanted = Optimize(quantization=Quantization(kind), **ANY)
    async with running(folders / "tied", optimize=wanted) as engine:
        (text,) = await generate(engine, "t5 t6 t7", max_tokens=8)
        assert len(text.split()) == 8
        assert engine.info.size_bytes == engine.info.optimization.after.size_bytes


REFUSED = [
    ("llama", Optimize(export="onnx"), "spec.optimize.export is for models that answer in one "),
    ("llama", Optimize(compile=True), "spec.optimize.compile is for models that answer in one "),
    ("t5", Optimize(export="onnx"), "spec.optimize.export is for models that answer in one "),
]


@pytest.mark.parametrize(("name", "wanted", "message"), REFUSED)
async def test_wrong_combinations_are_refused_before_loading(folders, name, wanted, message):
    with pytest.raises(CannotStart) as caught:
        async with running(folders / name, optimize=wanted):
            pass
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.message.startswith(message)
