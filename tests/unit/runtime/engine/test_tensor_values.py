"""Nested lists become arrays as the signature has them, or the field at fault is named."""

import numpy as np
import pytest

from modelyard_runtime.domain import DATATYPES, TensorSignature
from modelyard_runtime.engine.backends.tensor_values import read_inputs
from modelyard_runtime.errors import InvalidRequest

X = TensorSignature("x", "FP32", (-1, 2))
N = TensorSignature("n", "INT64", (-1,))


def read_one(values, datatype, shape=(-1,)):
    tensor = TensorSignature("x", datatype, shape)
    return read_inputs({"x": values}, "inputs", [tensor])["x"]


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [
        pytest.param([1, 2.5], "FP32", [1.0, 2.5], id="whole numbers among floats"),
        pytest.param([1, 2], "FP16", [1.0, 2.0], id="short floats"),
        pytest.param([-128, 127], "INT8", [-128, 127], id="the ends of a short integer"),
        pytest.param([2**64 - 1], "UINT64", [2**64 - 1], id="the end of the longest integer"),
        pytest.param([True, False], "BOOL", [True, False], id="truth"),
        pytest.param(["a", "longer"], "BYTES", ["a", "longer"], id="texts"),
    ],
)
def test_json_becomes_the_models_type(values, datatype, expected):
    array = read_one(values, datatype)
    assert (array.dtype, array.tolist()) == (np.dtype(DATATYPES[datatype]), expected)


@pytest.mark.parametrize(
    ("values", "datatype", "message"),
    [
        pytest.param([1.5], "INT64", "takes whole numbers", id="a fraction for an integer"),
        pytest.param([128], "INT8", "a number that INT8 cannot hold", id="too large an integer"),
        pytest.param([-1], "UINT8", "a number that UINT8 cannot hold", id="a negative one"),
        pytest.param([2**70], "INT64", "that INT64 cannot hold", id="more than any integer"),
        pytest.param([10**400], "FP32", "that FP32 cannot hold", id="more than any float"),
        pytest.param([True, 1.5], "FP32", "takes numbers", id="truth among numbers"),
        pytest.param([1, "a" * 100], "FP32", "takes numbers", id="a text among numbers"),
        pytest.param([[1], 2], "FP32", "is ragged", id="a list beside a number"),
        pytest.param([1, [2]], "FP32", "takes numbers", id="a number beside a list"),
        pytest.param([1e39], "FP32", "a number that FP32 cannot hold", id="too large a float"),
        pytest.param([float("nan")], "FP32", "a number that FP32 cannot", id="no number"),
        pytest.param([1], "BOOL", "takes true and false", id="a number for truth"),
        pytest.param([True], "INT64", "takes whole numbers", id="truth for a number"),
        pytest.param(["1"], "FP32", "takes numbers", id="a text for a number"),
        pytest.param([1], "BYTES", "takes texts", id="a number for a text"),
        pytest.param([{}], "FP32", "takes numbers", id="an object"),
        pytest.param(None, "FP32", "takes numbers", id="a null"),
        pytest.param([[1], [1, 2]], "FP32", "is ragged", id="ragged lists"),
        pytest.param([], "FP32", "the shape [0], and the model takes [any]", id="nothing"),
        pytest.param(1.0, "FP32", "the shape [], and the model takes [any]", id="a single number"),
    ],
)
def test_what_the_type_does_not_hold_is_refused(values, datatype, message):
    with pytest.raises(InvalidRequest) as caught:
        read_one(values, datatype)
    assert (caught.value.param, message in caught.value.message) == ("inputs.x", True)


def test_a_long_text_takes_no_more_than_its_own_room():
    texts = ["a" * 1_000_000, *["b"] * 100_000]
    assert read_one(texts, "BYTES").nbytes == len(texts) * 8


def test_the_only_input_needs_no_name():
    (array,) = read_inputs([[1, 2]], "features", [X]).values()
    assert array.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("values", "param", "message"),
    [
        pytest.param([[1, 2]], "inputs", "the model has 2 inputs; send an object", id="no names"),
        pytest.param({"x": [[1, 2]]}, "inputs.n", "'n' is missing", id="one name too few"),
        pytest.param({"x": [[1, 2]], "n": [1], "z": 1}, "inputs.z", "no input 'z'", id="too many"),
    ],
)
def test_names_are_the_models(values, param, message):
    with pytest.raises(InvalidRequest) as caught:
        read_inputs(values, "inputs", [X, N])
    assert (caught.value.param, message in caught.value.message) == (param, True)


def test_arrays_of_the_models_type_are_taken_as_they_are():
    array = np.ones((3, 2), np.float32)
    assert read_inputs({"x": array}, "inputs", [X])["x"] is array
