"""Reads the header of a safetensors file and says how long the file must be."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("<Q")
# The format's own bound; a longer header is an attack or damage.
_MAX_HEADER_BYTES = 100_000_000
#: Bytes of the types that weights are of; memory is planned by shapes.
_SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1}


class DamagedHeader(Exception):
    """The bytes are not a safetensors header."""


@dataclass(frozen=True, slots=True)
class Header:
    """Names of the tensors, the length the file must have, and the number type of most weights.

    `shapes` has the dimensions of each tensor.
    """

    tensors: frozenset[str]
    expected_bytes: int
    parameters: int
    dtype: str
    shapes: Mapping[str, tuple[int, ...]]


def read_header(path: Path) -> Header:
    """Read the header only.

    Raises:
        DamagedHeader: the file ends within its header, or the header is not what it should be.
    """
    with path.open("rb") as file:
        prefix = file.read(_LENGTH.size)
        if len(prefix) < _LENGTH.size:
            raise DamagedHeader("it is shorter than a safetensors header")
        (length,) = _LENGTH.unpack(prefix)
        if length > _MAX_HEADER_BYTES:
            raise DamagedHeader("its header is longer than the format allows")
        text = file.read(length)
    if len(text) < length:
        raise DamagedHeader("it ends within its header")
    try:
        entries = json.loads(text)
        return _summarise(entries, _LENGTH.size + length)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedHeader(f"its header cannot be read ({error})") from error
    except RecursionError as error:
        raise DamagedHeader("its header cannot be read (it is nested too deeply)") from error


def _summarise(entries: dict[str, Any], data_start: int) -> Header:
    end = 0
    sizes: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    parameters = 0
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        begin, stop = (int(n) for n in entry["data_offsets"])
        if begin < 0 or stop < begin:
            raise ValueError(f"offsets of tensor {name!r}")
        end = max(end, stop)
        shapes[name] = tuple(int(dimension) for dimension in entry["shape"])
        count = prod(shapes[name])
        parameters += count
        dtype = str(entry["dtype"])
        size = count * _SIZES.get(dtype, 0)
        if min(shapes[name], default=0) < 0 or size > stop - begin:
            raise ValueError(f"shape of tensor {name!r}")
        sizes[dtype] = sizes.get(dtype, 0) + count
    most = max(sizes, key=lambda dtype: sizes[dtype], default="")
    return Header(frozenset(shapes), data_start + end, parameters, most, shapes)
