"""Which adapters and optimisations go with which model; decided before anything is loaded."""

import pytest

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Format, Optimize, Pruning, Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.combinations import check_adapters, check_optimize
from modelyard_runtime.loading.detection import Detected

PLAIN = Optimize()
GENERATES = Detected(Format.TRANSFORMERS, Task.TEXT_GENERATION, "LlamaForCausalLM")


def test_names_that_differ_go_with_a_model_of_transformers_that_generates():
    check_adapters(GENERATES, "base", ["sql", "poems"], PLAIN)


@pytest.mark.parametrize(
    "detected",
    [
        Detected(Format.GGUF, Task.TEXT_GENERATION, "llama"),
        Detected(Format.TRANSFORMERS, Task.EMBEDDINGS, "BertModel"),
        Detected(Format.TRANSFORMERS, Task.TRANSLATION, "T5ForConditionalGeneration"),
        Detected(Format.ONNX, Task.PREDICT, ""),
    ],
)
def test_no_other_model_has_adapters(detected):
    check_adapters(detected, "base", [], PLAIN)
    with pytest.raises(CannotStart) as caught:
        check_adapters(detected, "base", ["sql", "poems"], PLAIN)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.message == (
        f"The model has adapters (sql, poems), and it does {detected.task} in the format "
        f"{detected.format}"
    )


@pytest.mark.parametrize("names", [["sql", "sql"], ["sql", "base"]])
def test_names_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(CannotStart) as caught:
        check_adapters(GENERATES, "base", names, PLAIN)
    assert (caught.value.reason, caught.value.message) == (
        Reason.CONFIG_INVALID,
        f"Clients could not tell the model and its adapters apart: {names[1]!r} is there twice",
    )


CLASSIFIES = Detected(Format.TRANSFORMERS, Task.TEXT_CLASSIFICATION, "BertFor…")
GGUF = Detected(Format.GGUF, Task.TEXT_GENERATION, "llama")
KERAS = Detected(Format.KERAS, Task.PREDICT, "")
TRANSLATES = Detected(Format.TRANSFORMERS, Task.TRANSLATION, "MarianMTModel")


@pytest.mark.parametrize(
    ("detected", "wanted"),
    [
        (CLASSIFIES, Optimize(quantization="dynamic-int8", compile=True)),
        (CLASSIFIES, Optimize(pruning=Pruning(sparsity=0.5), export="onnx")),
        (GENERATES, Optimize(quantization="int8")),
        (GGUF, Optimize(quantization="dynamic-int8")),
        (KERAS, Optimize()),
    ],
)
def test_what_can_be_optimised_may_be(detected, wanted):
    check_optimize(detected, wanted)


@pytest.mark.parametrize(
    ("detected", "wanted", "message"),
    [
        (
            KERAS,
            Optimize(quantization="int8", pruning=Pruning(sparsity=0.5)),
            (
                "spec.optimize (pruning 0.5, int8) is for models of the formats transformers and "
                "gguf, and this is keras"
            ),
        ),
        (
            CLASSIFIES,
            Optimize(export="onnx", compile=True),
            "spec.optimize.export onnx goes with pruning only, and onnx, compile is asked for",
        ),
        (
            GENERATES,
            Optimize(export="onnx"),
            (
                "spec.optimize.export is for models that answer in one step, and text-generation "
                "takes many"
            ),
        ),
        (
            CLASSIFIES,
            Optimize(compile=True, quantization="int4"),
            "spec.optimize.compile does not go with quantization int4: it has its own programs",
        ),
        (
            TRANSLATES,
            Optimize(compile=True),
            (
                "spec.optimize.compile is for models that answer in one step, and translation "
                "takes many"
            ),
        ),
    ],
)
def test_what_cannot_be_optimised_is_refused(detected, wanted, message):
    with pytest.raises(CannotStart) as caught:
        check_optimize(detected, wanted)
    assert (caught.value.reason, caught.value.message) == (Reason.CONFIG_INVALID, message)


@pytest.mark.parametrize("steps", [{"quantization": "int8"}, {"pruning": {"sparsity": 0.5}}])
def test_an_optimised_model_has_no_adapters(steps):
    optimize = Optimize.model_validate(steps)
    with pytest.raises(CannotStart) as caught:
        check_adapters(GENERATES, "base", ["sql"], optimize)
    assert (caught.value.reason, caught.value.message) == (
        Reason.CONFIG_INVALID,
        (
            f"spec.optimize ({optimize.steps}) and spec.model.adapters do not go together: an "
            "adapter fits the weights that it was trained on"
        ),
    )


def test_a_gpu_is_refused_before_loading():
    check_optimize(CLASSIFIES, Optimize(quantization="int8"), "cpu")
    with pytest.raises(CannotStart, match=r"\(int8\) is for CPUs, and the model is to run on cuda"):
        check_optimize(CLASSIFIES, Optimize(quantization="int8"), "cuda")
