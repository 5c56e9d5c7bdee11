"""Tensors as bytes: row by row, little-endian, without padding. Pure.

Each element of BYTES is its length in four bytes, and then so many bytes.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import (
    BYTES,
    count_elements,
    numpy_type,
)
from modelyard_runtime.protocols.open_inference.tensors import (
    Tensor,
    check_header,
    form_array,
    form_objects,
    input_field,
    shown,
)

#: Taken one by one, on the thread that serves everybody.
MAX_STRINGS = 65_536

_LENGTH = struct.Struct("<I")


def decode_raw(
    name: str, datatype: str, shape: Sequence[int], content: bytes | memoryview
) -> Tensor:
    """Return the tensor; numbers are a read-only view of the content.

    Raises:
        InvalidRequest: the content is not what datatype and shape say.
    """
    check_header(name, datatype, shape)
    count = count_elements(shape)
    if datatype == BYTES:
        elements = _split(name, memoryview(content), count)
        return Tensor(name, datatype, form_array(name, datatype, shape, form_objects(elements)))
    dtype = numpy_type(datatype)
    expected = count * dtype.itemsize
    if len(content) != expected:
        raise _wrong_size(name, f"{expected} bytes by its datatype and shape", len(content))
    flat = np.frombuffer(content, dtype=dtype)
    if datatype == "BOOL" and flat.view(np.uint8).max(initial=0) > 1:
        raise InvalidRequest(
            f"The input {shown(name)} is BOOL: each of its bytes is 0 or 1.",
            param=input_field(name, "data"),
        )
    return Tensor(name, datatype, form_array(name, datatype, shape, flat))


def encode_raw(datatype: str, array: NDArray[Any]) -> bytes:
    """Return the array's bytes."""
    if datatype != BYTES:
        return array.astype(numpy_type(datatype), copy=False).tobytes()
    return b"".join(part for each in array.flat for part in (_LENGTH.pack(len(each)), each))


def _split(name: str, content: memoryview, count: int) -> list[bytes]:
    if count > MAX_STRINGS:
        raise InvalidRequest(
            f"The input {shown(name)} has more than {MAX_STRINGS} elements.",
            param=input_field(name, "shape"),
        )
    elements: list[bytes] = []
    at = 0
    for _ in range(count):
        begin = at + _LENGTH.size
        if begin > len(content):
            raise _wrong_size(name, f"{count} elements by its shape", len(content))
        at = begin + _LENGTH.unpack_from(content, at)[0]
        if at > len(content):
            raise _wrong_size(
                name, f"at least {at} bytes by the length of element {len(elements)}", len(content)
            )
        elements.append(bytes(content[begin:at]))
    if at != len(content):
        raise _wrong_size(name, f"{at} bytes by its shape and lengths", len(content))
    return elements


def _wrong_size(name: str, expected: str, found: int) -> InvalidRequest:
    return InvalidRequest(
        f"The input {shown(name)} has {expected}, and {found} bytes were sent for it.",
        param=input_field(name, "data"),
    )
