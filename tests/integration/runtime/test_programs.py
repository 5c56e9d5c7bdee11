"""Programs of named tensors answer as their own library does, alone and in a crowd."""

import asyncio
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.tasks.predict import TensorInput
from tests.support.tiny_models import running

CROWD = 16


class Mixing(torch.nn.Module):
    """Two inputs, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x, y):
        mixed = self.linear(x) + y
        return {"mixed": mixed, "largest": mixed.argmax(dim=1)}


SIGNATURE = {
    "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
        {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
    ]
}


@dataclass(frozen=True)
class Case:
    """A folder, how it is asked for, and what its library says of arrays by name."""

    folder: Path
    settings: dict[str, Any]
    expect: Any
    parameters: int


@pytest.fixture(scope="module")
def mixing():
    torch.manual_seed(3)
    return Mixing().eval()


@pytest.fixture(scope="module")
def exported(mixing):
    batch = torch.export.Dim("batch")
    return torch.export.export(
        mixing,
        (torch.ones(2, 4), torch.ones(2, 2)),
        dynamic_shapes={"x": {0: batch}, "y": {0: batch}},
    )


def run_module(module, arrays):
    with torch.inference_mode():
        outputs = module(*(torch.from_numpy(array) for array in arrays.values()))
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def write_onnx(folder, exported):
    with warnings.catch_warnings():
        # The exporter tells of names that it does not use, and of libraries that are not there.
        warnings.simplefilter("ignore")
        torch.onnx.export(exported, f=folder / "model.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    return lambda arrays: dict(zip(names, session.run(names, arrays), strict=True))


@pytest.fixture(scope="module")
def make(tmp_path_factory, mixing, exported):
    def make_case(form):
        folder = tmp_path_factory.mktemp(form)
        expect = lambda arrays: run_module(mixing, arrays)  # noqa: E731 - one of several
        settings: dict[str, Any] = {"allow_code": True}
        match form:
            case "onnx":
                expect, settings = write_onnx(folder, exported), {}
            case "torch-export":
                torch.export.save(exported, folder / "model.pt2")
            case "torchscript":
                with warnings.catch_warnings():
                    # It is what people have; torch would rather have them export.
                    warnings.simplefilter("ignore")
                    sample = (torch.ones(2, 4), torch.ones(2, 2))
                    torch.jit.trace(mixing, sample, strict=False).save(folder / "model.pt")
                (folder / "signature.json").write_text(json.dumps(SIGNATURE))
            case "state-dict":
                torch.save(mixing.state_dict(), folder / "model.pth")
                (folder / "mixing.py").write_text(
                    "import torch\n\n\nclass Mixing(torch.nn.Module):\n"
                    "    def __init__(self):\n        super().__init__()\n"
                    "        self.linear = torch.nn.Linear(4, 2)\n\n"
                    "    def forward(self, x, y):\n        mixed = self.linear(x) + y\n"
                    "        return {'mixed': mixed, 'largest': mixed.argmax(dim=1)}\n"
                )
                (folder / "signature.json").write_text(json.dumps(SIGNATURE))
                settings["entrypoint"] = "mixing:Mixing"
        return Case(folder, settings, expect, 10)

    return make_case


FORMATS = ["onnx", "torch-export", "torchscript", "state-dict"]


@pytest.mark.parametrize("form", FORMATS)
async def test_a_crowd_is_answered_as_the_library_answers_each_alone(make, form):
    case = make(form)
    chance = np.random.default_rng(5)
    async with running(case.folder, **case.settings) as engine:
        x, y = (tensor.name for tensor in engine.signature.inputs)
        asked = [
            {
                x: chance.standard_normal((1 + i % 3, 4), dtype=np.float32),
                y: chance.standard_normal((1 + i % 3, 2), dtype=np.float32),
            }
            for i in range(CROWD)
        ]
        alone = await engine.run([TensorInput(asked[0])])
        answers = await asyncio.gather(*(engine.run([TensorInput(each)]) for each in asked))
        info = engine.info
    for arrays, (answer,) in zip([asked[0], *asked], [alone, *answers], strict=True):
        expected = case.expect(arrays)
        assert list(answer.outputs) == list(expected)
        for name, array in expected.items():
            assert answer.outputs[name] == pytest.approx(array, abs=1e-4)
    assert (info.task, info.format, info.device, info.dtype) == ("predict", form, "cpu", "float32")
    assert (info.parameters, info.size_bytes) == (case.parameters, case.parameters * 4)


@pytest.mark.parametrize("form", FORMATS)
async def test_the_signature_is_the_models(make, form):
    case = make(form)
    async with running(case.folder, **case.settings) as engine:
        signature = engine.signature
    assert [(one.datatype, one.shape) for one in signature.inputs] == [
        ("FP32", (-1, 4)),
        ("FP32", (-1, 2)),
    ]
    assert [(one.datatype, one.shape) for one in signature.outputs] == [
        ("FP32", (-1, 2)),
        ("INT64", (-1,)),
    ]


async def test_a_long_table_is_answered_line_by_line(served):
    x = np.random.default_rng(5).standard_normal((20_000, 4), dtype=np.float32)
    arrays = {"x": x, "y": np.zeros((len(x), 2), np.float32)}
    async with running(served.folder, **served.settings) as engine:
        (answer,) = await engine.run([TensorInput(arrays)])
    for name, expected in served.expect(arrays).items():
        assert np.allclose(answer.outputs[name], expected, atol=1e-4)


WRONG = [
    pytest.param([[1, 2, 3, 4]], "inputs", "the model has 2 inputs", id="a tensor without a name"),
    pytest.param({"z": [1]}, "inputs.z", "the model has no input 'z'; it takes x, y", id="a name"),
    pytest.param({"x": [[1, 2, 3, 4]]}, "inputs.y", "'y' is missing", id="a missing input"),
    pytest.param(
        {"x": [[1, 2, 3, 4], [1]], "y": [[0, 0]]}, "inputs.x", "'x' is ragged", id="ragged lists"
    ),
    pytest.param(
        {"x": [["a", "b", "c", "d"]], "y": [[0, 0]]}, "inputs.x", "'x' takes numbers", id="texts"
    ),
    pytest.param(
        {"x": [[True, True, True, True]], "y": [[0, 0]]}, "inputs.x", "takes numbers", id="truth"
    ),
    pytest.param({"x": [[1, 2, None, 4]], "y": [[0, 0]]}, "inputs.x", "takes numbers", id="a null"),
    pytest.param(
        {"x": [[1, 2, 3, 1e300]], "y": [[0, 0]]}, "inputs.x", "FP32 cannot hold", id="too large"
    ),
    pytest.param(
        {"x": [[1, 2, 3]], "y": [[0, 0]]},
        "inputs.x",
        "'x' has the shape [1, 3], and the model takes [any, 4]",
        id="another shape",
    ),
    pytest.param({"x": [], "y": []}, "inputs.x", "'x' has the shape [0]", id="nothing"),
    pytest.param(
        {"x": [[1, 2, 3, 4]] * 2, "y": [[0, 0]]},
        "inputs",
        "as many examples each: x has 2, y has 1",
        id="more of one input than of the other",
    ),
    pytest.param(
        {"x": np.ones((1, 4)), "y": np.ones((1, 2))},
        "inputs.x",
        "'x' is FP32, and not float64",
        id="arrays of another type",
    ),
]


@pytest.fixture(scope="module")
def served(make):
    return make("torchscript")


@pytest.mark.parametrize(("values", "param", "message"), WRONG)
async def test_what_does_not_fit_names_its_field(served, values, param, message):
    async with running(served.folder, **served.settings) as engine:
        with pytest.raises(InvalidRequest) as caught:
            await engine.run([TensorInput(values)])
    assert (caught.value.param, message in caught.value.message) == (param, True)
