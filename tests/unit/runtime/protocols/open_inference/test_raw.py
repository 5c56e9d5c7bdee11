"""Tensors as bytes: what comes back is what was sent, and what does not add up is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import BYTES, DATATYPES, numpy_type
from modelyard_runtime.protocols.open_inference.raw import MAX_STRINGS, decode_raw, encode_raw

shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@given(data=st.data(), shape=shapes, datatype=st.sampled_from(DATATYPES))
def test_any_tensor_comes_back_as_it_was(data, shape, datatype):
    elements = st.binary(max_size=5) if datatype == BYTES else None
    array = data.draw(arrays.arrays(numpy_type(datatype), shape, elements=elements, fill=elements))
    content = encode_raw(datatype, array)
    back = decode_raw("x", datatype, shape, content)
    assert (back.name, back.datatype, back.shape) == ("x", datatype, shape)
    assert back.array.dtype == array.dtype
    np.testing.assert_array_equal(back.array, array)
    if datatype != BYTES:
        assert len(content) == array.size * array.dtype.itemsize


def test_numbers_are_little_endian_and_texts_have_their_length_before_them():
    assert encode_raw("INT16", np.array([1, 256], dtype=">i2")) == b"\x01\x00\x00\x01"
    texts = np.array([b"ab", b""], dtype=object)
    assert encode_raw(BYTES, texts) == b"\x02\x00\x00\x00ab\x00\x00\x00\x00"


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    ("datatype", "shape", "content", "field", "said"),
    [
        pytest.param(
            "FP32", [2], b"\0" * 7, "data", "8 bytes by its datatype and shape", id="cut short"
        ),
        pytest.param("FP32", [2], b"\0" * 9, "data", "and 9 bytes were sent", id="too long"),
        pytest.param("FP32", [HUGE, HUGE], b"", "data", "bytes by its datatype", id="huge"),
        pytest.param("FP32", [-1], b"", "shape", "sizes from 0 to", id="a negative size"),
        pytest.param("FP32", [2**31], b"", "shape", "sizes from 0 to", id="too large a size"),
        pytest.param("FP32", [1] * 17, b"", "shape", "up to 16 sizes", id="too many axes"),
        pytest.param(
            "UINT8", [0, *[HUGE] * 15], b"", "shape", "no array can have", id="nothing, endlessly"
        ),
        pytest.param("BF16", [1], b"\0\0", "datatype", "send FP32", id="BF16"),
        pytest.param("FP31", [1], b"", "datatype", "none of BOOL, UINT8", id="no datatype"),
        pytest.param("BOOL", [2], b"\0\2", "data", "each of its bytes is 0 or 1", id="no truth"),
        pytest.param(
            "BYTES", [1], b"\0\0\0", "data", "1 elements by its shape", id="half a length"
        ),
        pytest.param(
            "BYTES", [1], b"\xff\xff\xff\xffa", "data", "by the length of element 0", id="a lie"
        ),
        pytest.param("BYTES", [1], b"\0\0\0\0a", "data", "4 bytes by its shape", id="a rest"),
        pytest.param("BYTES", [HUGE], b"", "shape", f"more than {MAX_STRINGS}", id="many texts"),
        pytest.param("BYTES", [2], b"\0\0\0\0", "data", "2 elements by its shape", id="too few"),
    ],
)
def test_what_does_not_add_up_is_refused(datatype, shape, content, field, said):
    with pytest.raises(InvalidRequest) as caught:
        decode_raw("x", datatype, shape, content)
    assert caught.value.param == f"inputs.x.{field}"
    assert said in caught.value.message


@given(
    datatype=st.sampled_from(DATATYPES),
    shape=st.lists(st.integers(-2, 2**33), max_size=4),
    content=st.binary(max_size=40),
)
def test_whatever_is_sent_there_is_a_tensor_or_a_refusal(datatype, shape, content):
    try:
        tensor = decode_raw("x", datatype, shape, content)
    except InvalidRequest:
        return
    assert tensor.shape == tuple(shape)
