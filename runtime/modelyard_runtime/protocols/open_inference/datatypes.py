"""The protocol's datatypes and what they are in numpy. Pure.

BF16 is not among them: numpy has no such type, and what a client holds in its stead is float32.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from modelyard_runtime import domain

BYTES: Final = "BYTES"

#: Each element is a string of bytes.
_OBJECTS: Final = np.dtype(object)
#: On the wire all numbers are little-endian.
_NUMPY: Final = {
    word: np.dtype(name).newbyteorder("<")
    for word, name in domain.DATATYPES.items()
    if word != BYTES
}

DATATYPES: Final = (*_NUMPY, BYTES)

#: Sizes beyond these are nobody's tensors, and some array library's overflow.
MAX_RANK: Final = 16
MAX_SIZE: Final = 2**31 - 1


def numpy_type(datatype: str) -> "np.dtype[Any]":
    """Return how numpy holds it; elements of BYTES are `bytes`."""
    return _NUMPY.get(datatype, _OBJECTS)


def datatype_of(dtype: "np.dtype[Any]") -> str:
    """Return the protocol's word for a type of numpy.

    Raises:
        KeyError: it has none.
    """
    if dtype.kind in "OSU":
        return BYTES
    return {known.newbyteorder("="): word for word, known in _NUMPY.items()}[
        dtype.newbyteorder("=")
    ]


def count_elements(shape: Sequence[int]) -> int:
    """Return how many elements a tensor of this shape has."""
    return math.prod(shape)
