"""Tensors as JSON has them: lists of numbers, truth values or texts, nested or flat. Pure."""

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

_Types = frozenset[type]

#: By numpy's word for a kind of number.
_TAKEN: dict[str, tuple[_Types, str]] = {
    "b": (frozenset({bool}), "true and false"),
    "i": (frozenset({int}), "whole numbers"),
    "u": (frozenset({int}), "whole numbers"),
    "f": (frozenset({int, float}), "numbers"),
    "O": (frozenset({str}), "texts"),
}


def decode_plain(name: str, datatype: str, shape: Sequence[int], data: Any) -> Tensor:
    """Return the tensor.

    Raises:
        InvalidRequest: the data is not what datatype and shape say.
    """
    check_header(name, datatype, shape)
    flat = _flatten(name, data, shape)
    if len(flat) != count_elements(shape):
        raise _wrong(name, f"its shape says {count_elements(shape)} elements; it has {len(flat)}")
    dtype = numpy_type(datatype)
    types, words = _TAKEN[dtype.kind]
    if not types.issuperset(map(type, flat)):
        raise _wrong(name, f"elements of {datatype} are {words}")
    array = form_objects([_encode(name, text) for text in flat]) if datatype == BYTES else None
    if array is None:
        array = _to_numbers(name, datatype, flat)
    return Tensor(
        name, datatype, form_array(name, datatype, shape, array), is_text=datatype == BYTES
    )


def encode_plain(name: str, datatype: str, array: NDArray[Any]) -> Any:
    """Return what orjson writes as a flat list.

    Raises:
        InvalidRequest: JSON has no word for an element.
    """
    if datatype == BYTES:
        try:
            return [element.decode() for element in array.flat]
        except UnicodeDecodeError as error:
            raise _no_word(name, "bytes that are no text") from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _no_word(name, "NaN or infinity")
    return np.ascontiguousarray(array).ravel()


def _flatten(name: str, data: Any, shape: Sequence[int]) -> list[Any]:
    """Return the elements of a flat list, or of one that is nested as the shape is."""
    if not isinstance(data, list):
        raise _wrong(name, "it is no list")
    if not data or not isinstance(data[0], list):
        return data
    level: list[Any] = [data]
    for size in shape:
        if not all(isinstance(part, list) and len(part) == size for part in level):
            raise _wrong(name, "it is neither flat nor nested as its shape says")
        level = [element for part in level for element in part]
    return level


def _to_numbers(name: str, datatype: str, flat: list[Any]) -> NDArray[Any]:
    dtype = numpy_type(datatype)
    if dtype.kind in "iu" and flat:
        bounds = np.iinfo(dtype)
        if min(flat) < bounds.min or max(flat) > bounds.max:
            raise _wrong(name, f"elements of {datatype} are from {bounds.min} to {bounds.max}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype=dtype)
    except OverflowError as error:
        raise _wrong(name, f"an element is too large for {datatype}") from error
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise _wrong(name, f"an element is too large for {datatype}, or no number")
    return array


def _encode(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _wrong(name, "an element is half of a character") from error


def _wrong(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The data of the input {shown(name)} cannot be read: {why}.",
        param=input_field(name, "data"),
    )


def _no_word(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The output {name!r} has {what}, for which JSON has no word; ask for it with the "
        "parameter binary_data.",
        param=f"outputs.{name}.parameters.binary_data",
    )
