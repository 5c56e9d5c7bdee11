"""Examples of different clients are stacked only where the model keeps them apart."""

import numpy as np
import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.domain import Signature, TensorSignature
from modelyard_runtime.engine.backends.probing import Grouping, probe
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.program import Facts, LoadedProgram

FACTS = Facts("cpu", "cpu", "float32", 0, 0)


def program(run, *shapes, datatype="FP32"):
    inputs = tuple(TensorSignature(f"x{i}", datatype, shape) for i, shape in enumerate(shapes))
    return LoadedProgram(None, FACTS, Signature(inputs), run)  # type: ignore[arg-type]


def double(arrays):
    return {"y": arrays["x0"] * 2}


def shapes_of(limit, arrays):
    if arrays["x0"].shape[-1] < limit:
        raise ValueError("too small")
    return {"y": arrays["x0"].mean(axis=-1)}


@pytest.mark.parametrize(
    ("run", "shapes", "grouping"),
    [
        pytest.param(double, [(-1, 4)], Grouping.STACKED, id="each row is its own"),
        pytest.param(double, [(1, 4)], Grouping.SINGLE, id="one row at a time"),
        pytest.param(double, [(4,)], Grouping.WHOLE, id="no dimension that counts examples"),
        pytest.param(double, [()], Grouping.WHOLE, id="a single number"),
        pytest.param(
            lambda arrays: {"y": arrays["x0"].cumsum(axis=0)},
            [(-1, 4)],
            Grouping.WHOLE,
            id="rows that depend on those before",
        ),
        pytest.param(
            lambda arrays: {"y": arrays["x0"] / np.abs(arrays["x0"]).max()},
            [(-1, 4)],
            Grouping.WHOLE,
            id="rows that are scaled by all of them",
        ),
        pytest.param(
            lambda arrays: {"y": arrays["x0"].sum()[None]},
            [(-1, 4)],
            Grouping.WHOLE,
            id="one answer for all rows",
        ),
        pytest.param(
            lambda arrays: {"y": arrays["x0"].sum()}, [(1, 4)], Grouping.WHOLE, id="a bare number"
        ),
        pytest.param(
            lambda arrays: {"y": arrays["x0"] @ arrays["x1"]},
            [(-1, 4), (4, 2)],
            Grouping.WHOLE,
            id="an input that is not of the examples",
        ),
    ],
)
def test_rows_that_are_their_own_are_computed_together(run, shapes, grouping):
    assert probe(program(run, *shapes)).grouping is grouping


def test_outputs_are_described_as_they_come():
    def run(arrays):
        x = arrays["x0"]
        return {"total": x.sum(axis=1), "largest": x.argmax(axis=1), "half": x.astype(np.float16)}

    assert probe(program(run, (-1, 4))).signature.outputs == (
        TensorSignature("total", "FP32", (-1,)),
        TensorSignature("largest", "INT64", (-1,)),
        TensorSignature("half", "FP16", (-1, 4)),
    )


@pytest.mark.parametrize("least", [1, 8, 32, 224])
def test_free_dimensions_are_tried_from_small_to_large(least):
    probed = probe(program(lambda arrays: shapes_of(least, arrays), (-1, 3, -1, -1)))
    assert probed.sample["x0"].shape == (1, 3, least, least)


def test_a_model_that_computes_nothing_cannot_start():
    with pytest.raises(CannotStart, match="ValueError: too small") as refused:
        probe(program(lambda arrays: shapes_of(500, arrays), (-1, -1)))
    assert refused.value.reason is Reason.WARMUP_FAILED
    assert "1, 8, 32, 224" in refused.value.hint


@pytest.mark.parametrize(
    ("datatype", "values"),
    [("INT64", {0, 1}), ("BOOL", {False, True}), ("BYTES", {"a"}), ("UINT8", {0, 1})],
)
def test_made_up_inputs_are_of_the_models_type(datatype, values):
    seen = []

    def run(arrays):
        seen.append(arrays["x0"])
        return {"y": arrays["x0"]}

    probe(program(run, (-1, 4), datatype=datatype))
    assert set(seen[1].ravel().tolist()) == values
