"""What is asked and what is answered, whichever way it travels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import (
    DATATYPES,
    MAX_RANK,
    MAX_SIZE,
    numpy_type,
)

#: Of a client's own words, in an error.
_MAX_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array. Elements of the datatype BYTES are `bytes`, in an array of objects.

    `is_text`: they came as JSON, which has no bytes, only texts.
    """

    name: str
    datatype: str
    array: NDArray[Any]
    is_text: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self.array.shape


@dataclass(frozen=True, slots=True)
class Question:
    """A request: tensors, the names of the outputs that are wanted (none: all), and parameters."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def check_header(name: str, datatype: str, shape: Sequence[int]) -> None:
    """Refuse a tensor by what is said of it, before its content is looked at.

    Raises:
        InvalidRequest: no such datatype, or no such shape.
    """
    if datatype == "BF16":
        raise InvalidRequest(
            f"The input {shown(name)} is BF16, which this server does not take: send FP32.",
            param=input_field(name, "datatype"),
        )
    if datatype not in DATATYPES:
        raise InvalidRequest(
            f"The input {shown(name)} has the datatype {shown(datatype)}, which is none of "
            f"{', '.join(DATATYPES)}.",
            param=input_field(name, "datatype"),
        )
    if len(shape) > MAX_RANK or not all(0 <= size <= MAX_SIZE for size in shape):
        raise InvalidRequest(
            f"The input {shown(name)} has a shape that no tensor has: up to {MAX_RANK} sizes "
            f"from 0 to {MAX_SIZE}.",
            param=input_field(name, "shape"),
        )


def form_array(name: str, datatype: str, shape: Sequence[int], flat: Any) -> NDArray[Any]:
    """Return the elements, whose number is the shape's, in that shape.

    Raises:
        InvalidRequest: numpy makes no array of this shape.
    """
    try:
        return np.asarray(flat, dtype=numpy_type(datatype)).reshape(tuple(shape))
    except ValueError as error:  # an axis of length 0 beside others without bounds
        raise InvalidRequest(
            f"The input {shown(name)} has a shape that no array can have.",
            param=input_field(name, "shape"),
        ) from error


def form_objects(elements: Sequence[Any]) -> NDArray[Any]:
    """Return an array of objects, which numpy makes of nothing else by itself."""
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def decode_texts(tensor: Tensor) -> list[str]:
    """Return the elements of a tensor of BYTES as texts.

    Raises:
        InvalidRequest: one is no UTF-8.
    """
    texts: list[str] = []
    for place, element in enumerate(tensor.array.flat):
        try:
            texts.append(element.decode())
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"Element {place} of the input {shown(tensor.name)} is no text in UTF-8.",
                param=input_field(tensor.name, f"data[{place}]"),
            ) from error
    return texts


def input_field(name: str, part: str) -> str:
    """Return how an error calls a part of an input."""
    return f"inputs.{name[:_MAX_SHOWN]}.{part}"


def shown(text: str) -> str:
    """Return a client's own word as an error quotes it."""
    return repr(text[:_MAX_SHOWN])
