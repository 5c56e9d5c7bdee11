"""Classes that models bring: loaded with their weights, asked by whatever the task is."""

import asyncio
import sys

import pytest
import torch
from safetensors.torch import save_file

from modelyard_api.meta import Reason
from modelyard_runtime.domain import TextInput
from modelyard_runtime.errors import CannotStart, EngineFailure, InvalidRequest
from modelyard_runtime.tasks.predict import TensorInput
from modelyard_runtime.tasks.summarization import TextToSummarise
from modelyard_runtime.tasks.translation import TextToTranslate
from modelyard_runtime.warmup import warm_up
from tests.support.tiny_models import running

CROWD = 16
ASKED = {"allow_code": True, "entrypoint": "net:Net"}

SCALING = """
from dataclasses import dataclass

import torch

NAMES = ["small", "large"]


@dataclass
class Total:
    value: float


class Net(torch.nn.Module):
    example = {"numbers": [1.0]}

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(size))

    def predict(self, inputs):
        if torch.is_grad_enabled():
            raise RuntimeError("gradients")
        return [self._scale(value) for value in inputs]

    def _scale(self, value):
        numbers = value["numbers"]
        if not numbers:
            raise ValueError("there are no numbers")
        total = Total(float((torch.tensor(numbers) * self.scale).sum()))
        return {"sum": total.value, "calls": 1}
"""

LABELLING = """
import torch


class Net(torch.nn.Module):
    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(size))

    def predict(self, inputs):
        share = [text.count("a") / len(text) for text in inputs]
        return [{"vowels": one, "others": 1 - one} for one in share]
"""


@pytest.fixture
def write(tmp_path):
    """Write a folder with a class, its arguments and its weights."""

    def write_folder(code, *, weights=None, name="model.pth", config='{"size": 1}'):
        weights = {"scale": torch.tensor([2.0])} if weights is None else weights
        (tmp_path / "net.py").write_text(code)
        (tmp_path / "config.json").write_text(config)
        if name.endswith(".safetensors"):
            save_file(weights, tmp_path / name)
        else:
            torch.save(weights, tmp_path / name)
        return tmp_path

    return write_folder


@pytest.mark.parametrize("name", ["model.pth", "weights.pt", "model.safetensors"])
async def test_values_of_a_crowd_are_answered_each_with_its_own(write, name):
    folder = write(SCALING, name=name)
    async with running(folder, **ASKED) as engine:
        answers = await asyncio.gather(
            *(engine.run([TensorInput([{"numbers": [n, 1]}])]) for n in range(CROWD))
        )
        (single,) = await engine.run([TensorInput({"numbers": [3.5]})])
        info = engine.info
    assert [answer.outputs for (answer,) in answers] == [
        [{"sum": 2.0 * (n + 1), "calls": 1}] for n in range(CROWD)
    ]
    assert single.outputs == {"sum": 7.0, "calls": 1}
    assert (info.task, info.format, info.parameters, info.size_bytes) == (
        "predict",
        "state-dict",
        1,
        4,
    )


async def test_a_value_that_the_class_refuses_fails_alone(write):
    async with running(write(SCALING), **ASKED) as engine:
        with pytest.raises(InvalidRequest, match="refuses this input: there are no numbers"):
            await engine.run([TensorInput([{"numbers": []}])])
        with pytest.raises(EngineFailure, match="KeyError"):
            await engine.run([TensorInput([{}])])
        (answer,) = await engine.run([TensorInput([{"numbers": [1]}])])
    assert answer.outputs == [{"sum": 2.0, "calls": 1}]


async def test_more_values_than_are_queued_are_refused(write):
    async with running(write(SCALING), **ASKED) as engine:
        with pytest.raises(InvalidRequest, match="there are 2049 values; this model takes at most"):
            await engine.run([TensorInput([{"numbers": [1]}] * 2049)])


async def test_the_task_decides_what_the_class_is_asked(write):
    async with running(write(LABELLING), **ASKED, task="text-classification") as engine:
        answers = await asyncio.gather(
            *(engine.run([TextInput("a" * n + "b")]) for n in range(1, CROWD))
        )
    assert [answer.scores["vowels"] for (answer,) in answers] == pytest.approx(
        [n / (n + 1) for n in range(1, CROWD)]
    )
    assert list(answers[-1][0].scores) == ["vowels", "others"]


@pytest.mark.parametrize(
    ("task", "item"), [("translation", TextToTranslate), ("summarization", TextToSummarise)]
)
async def test_a_class_of_texts_serves_what_rewrites_them(write, task, item):
    code = LABELLING.replace("return [{", "return [text.upper() for text in inputs]  # [{")
    async with running(write(code), **ASKED, task=task) as engine:
        answers = await asyncio.gather(*(engine.run([item(f"text {n}")]) for n in range(CROWD)))
        with pytest.raises(InvalidRequest, match="does not support the parameter 'max_tokens'"):
            await engine.run([item("text", max_tokens=3)])
    assert [answer.text for (answer,) in answers] == [f"TEXT {n}" for n in range(CROWD)]


async def test_nothing_is_left_of_the_import(write):
    folder, path = write(SCALING), list(sys.path)
    before = {file.name for file in folder.iterdir()}
    async with running(folder, **ASKED):
        pass
    assert sys.path == path
    assert {file.name for file in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("code", "options", "reason", "message"),
    [
        pytest.param(
            "import torch\nimport nothing_of_this_name\n",
            {},
            Reason.LOAD_FAILED,
            r"Importing net\.py failed \(line 2 of net\.py\): ModuleNotFoundError: No module named",
            id="an import that fails",
        ),
        pytest.param(
            "import sys\nsys.exit(0)\n",
            {},
            Reason.LOAD_FAILED,
            r"Importing net\.py failed \(line 2 of net\.py\): SystemExit: 0",
            id="a module that ends the process",
        ),
        pytest.param(
            "class Other: pass\n",
            {},
            Reason.MODEL_NOT_FOUND,
            "has no class Net",
            id="no such class",
        ),
        pytest.param(
            "class Net: pass\n",
            {},
            Reason.MODEL_UNSUPPORTED,
            r"'net:Net' is no torch\.nn\.Module",
            id="a class that is no module",
        ),
        pytest.param(
            SCALING,
            {"config": '{"sizes": 1}'},
            Reason.LOAD_FAILED,
            r"Building Net with config\.json \(sizes\) failed.*unexpected keyword argument 'sizes'",
            id="an argument that the class does not have",
        ),
        pytest.param(
            SCALING,
            {"config": "[1]"},
            Reason.MODEL_UNSUPPORTED,
            r"config\.json is no object",
            id="arguments without names",
        ),
        pytest.param(
            SCALING,
            {"weights": {"scales": torch.ones(1)}},
            Reason.MODEL_FILE_CORRUPT,
            "it lacks scale, and it holds what the class does not have: scales",
            id="weights of another class",
        ),
        pytest.param(
            SCALING,
            {"weights": {"scale": torch.ones(2)}},
            Reason.MODEL_FILE_CORRUPT,
            "size mismatch for scale",
            id="weights of another shape",
        ),
        pytest.param(
            SCALING,
            {"weights": [torch.ones(2)]},
            Reason.MODEL_UNSUPPORTED,
            r"model\.pth holds a list, and no weights by name",
            id="no weights by name",
        ),
        pytest.param(
            SCALING.replace("    example", "    sample"),
            {},
            Reason.MODEL_UNSUPPORTED,
            "does not say what it can be asked",
            id="no example of what it can be asked",
        ),
        pytest.param(
            SCALING.replace("def predict", "def forward"),
            {},
            Reason.MODEL_UNSUPPORTED,
            r"signature\.json does not say what the model takes: the folder has none",
            id="neither predict nor a signature",
        ),
        pytest.param(
            SCALING.replace("return [self", "return [0] + [self"),
            {},
            Reason.WARMUP_FAILED,
            "returned 2 values for 1 values",
            id="more answers than questions",
        ),
        pytest.param(
            SCALING.replace("return {", "return {'tensor': self.scale, "),
            {},
            Reason.WARMUP_FAILED,
            "Type is not JSON serializable: Parameter",
            id="an answer that is no JSON",
        ),
    ],
)
async def test_what_cannot_be_loaded_says_why(write, code, options, reason, message):
    folder = write(code, **options)
    with pytest.raises(CannotStart, match=message) as refused:
        async with running(folder, **ASKED) as engine:
            await warm_up(engine)
    assert refused.value.reason is reason
    assert refused.value.hint
