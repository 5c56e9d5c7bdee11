"""Tensors as JSON: exact types and ranges, flat or nested as the shape is."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import DATATYPES
from modelyard_runtime.protocols.open_inference.plain import decode_plain, encode_plain


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "expected"),
    [
        pytest.param("FP32", [2, 2], [1, 2.5, 3, 4], [[1, 2.5], [3, 4]], id="flat"),
        pytest.param("INT8", [2, 1], [[-128], [127]], [[-128], [127]], id="nested"),
        pytest.param("BOOL", [2], [True, False], [True, False], id="truth"),
        pytest.param("UINT64", [1], [2**64 - 1], [2**64 - 1], id="the largest number"),
        pytest.param("BYTES", [1, 1], ["ä"], [["ä".encode()]], id="a text"),
        pytest.param("FP64", [0], [], [], id="nothing"),
        pytest.param("INT32", [], [5], 5, id="a single number"),
    ],
)
def test_what_is_read(datatype, shape, data, expected):
    tensor = decode_plain("x", datatype, shape, data)
    assert tensor.shape == tuple(shape)
    assert tensor.array.tolist() == expected


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "said"),
    [
        pytest.param("FP32", [1], "1", "it is no list", id="no list"),
        pytest.param("FP32", [2], [1], "2 elements; it has 1", id="too few"),
        pytest.param("FP32", [2, 2], [[1, 2], [3]], "neither flat nor nested", id="ragged"),
        pytest.param("FP32", [2, 2], [[1, 2, 3, 4]], "neither flat nor nested", id="other rows"),
        pytest.param("FP32", [1], [True], "elements of FP32 are numbers", id="truth as number"),
        pytest.param("INT32", [1], [1.0], "are whole numbers", id="a fraction"),
        pytest.param("INT8", [1], [128], "from -128 to 127", id="out of range"),
        pytest.param("UINT8", [1], [-1], "from 0 to 255", id="below zero"),
        pytest.param("INT64", [1], [10**30], "from -9223372036854775808", id="far out of range"),
        pytest.param("FP16", [1], [1e6], "too large for FP16", id="too large"),
        pytest.param("FP64", [1], [10**400], "too large for FP64", id="no double"),
        pytest.param("FP32", [1], [float("nan")], "or no number", id="no number"),
        pytest.param("BOOL", [1], [1], "are true and false", id="number as truth"),
        pytest.param("BYTES", [1], [1], "are texts", id="number as text"),
        pytest.param("BYTES", [1], ["\ud800"], "half of a character", id="half a character"),
        pytest.param("FP32", [1], [None], "elements of FP32 are numbers", id="null"),
    ],
)
def test_what_is_refused(datatype, shape, data, said):
    with pytest.raises(InvalidRequest) as caught:
        decode_plain("x", datatype, shape, data)
    assert caught.value.param == "inputs.x.data"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("datatype", "array", "expected"),
    [
        ("FP32", np.array([[0.1, 2]], np.float32), b"[0.1,2.0]"),
        ("FP16", np.array([0.5], np.float16), b"[0.5]"),
        ("INT64", np.array([[1], [2]]).T, b"[1,2]"),
        ("BOOL", np.array([True]), b"[true]"),
        ("BYTES", np.array(["ä".encode()], dtype=object), '["ä"]'.encode()),
    ],
)
def test_what_is_written(datatype, array, expected):
    written = encode_plain("x", datatype, array)
    assert orjson.dumps(written, option=orjson.OPT_SERIALIZE_NUMPY) == expected


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        ("FP32", np.array([np.inf], np.float32)),
        ("BYTES", np.array([b"\xff"], dtype=object)),
    ],
)
def test_for_what_json_has_no_word(datatype, array):
    with pytest.raises(InvalidRequest, match="ask for it with the parameter binary_data"):
        encode_plain("x", datatype, array)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


@given(
    datatype=st.sampled_from(DATATYPES),
    shape=st.lists(st.integers(0, 3), max_size=3),
    data=anything,
)
def test_whatever_is_sent_there_is_a_tensor_or_a_refusal(datatype, shape, data):
    try:
        tensor = decode_plain("x", datatype, shape, data)
    except InvalidRequest:
        return
    assert tensor.shape == tuple(shape)
