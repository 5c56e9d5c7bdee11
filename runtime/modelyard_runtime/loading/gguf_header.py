"""Reads the header of a GGUF file: metadata and tensor table, never the tensors.

Our own reader, since the `gguf` package's takes seconds for a large vocabulary (a numpy slice per
token) and trusts every length in the file.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

MAGIC = b"GGUF"
VERSIONS = (2, 3)

_STRING, _ARRAY = 8, 9
# By the format's numbers; 8 and 9 are strings and lists.
_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 8
# Vocabularies of a quarter of a million tokens take 15 MB.
_MAX_HEADER_BYTES = 64 * 1024**2


class DamagedHeader(Exception):
    """The bytes are not a GGUF header that can be read."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: where its bytes are, and how they are encoded. `shape` is in torch's order."""

    name: str
    shape: tuple[int, ...]
    encoding: GGMLQuantizationType
    start: int
    size_bytes: int

    @property
    def elements(self) -> int:
        """Number of values."""
        count = 1
        for dimension in self.shape:
            count *= dimension
        return count


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata and tensors of one file."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]

    @property
    def architecture(self) -> str:
        """What llama.cpp calls the kind of model."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def end_bytes(self) -> int:
        """Length that the file must have to hold all tensors."""
        return max((tensor.start + tensor.size_bytes for tensor in self.tensors), default=0)


def read_header(path: Path) -> Header:
    """Read a file's header.

    Raises:
        DamagedHeader: not GGUF, of an unknown version, or cut off within the header.
    """
    with path.open("rb") as file:
        if file.seek(0, 2) < len(MAGIC):
            raise DamagedHeader("it is shorter than a GGUF header")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data).read(path)
            except (struct.error, UnicodeDecodeError, OverflowError) as error:
                raise DamagedHeader(f"its header cannot be read ({error})") from error


class _Reader:
    """A position in the file; reading moves it."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._position = 0

    def read(self, path: Path) -> Header:
        if self._data[: len(MAGIC)] != MAGIC:
            raise DamagedHeader("it does not begin with the letters GGUF")
        self._position = len(MAGIC)
        version, tensor_count, metadata_count = self._unpack("IQQ")
        if version not in VERSIONS:
            raise DamagedHeader(f"it is of GGUF version {version}; this runtime reads 2 and 3")
        metadata = dict(self._entry() for _ in range(metadata_count))
        rows = [self._row() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment <= 0:
            raise DamagedHeader(f"its tensors have an alignment of {alignment!r}")
        data_start = -(-self._position // alignment) * alignment
        return Header(path, metadata, tuple(_place(row, data_start) for row in rows))

    def _unpack(self, letters: str) -> tuple[Any, ...]:
        form = "<" + letters
        if self._position + struct.calcsize(form) > _MAX_HEADER_BYTES:
            raise DamagedHeader("its header is longer than any model's")
        values = struct.unpack_from(form, self._data, self._position)
        self._position += struct.calcsize(form)
        return values

    def _string(self) -> str:
        (length,) = self._unpack("Q")
        end = self._position + length
        if end > len(self._data):
            raise DamagedHeader("it ends within its header")
        text = self._data[self._position : end].decode()
        self._position = end
        return text

    def _entry(self) -> tuple[str, Any]:
        key = self._string()
        (kind,) = self._unpack("I")
        return key, self._value(kind)

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        raise DamagedHeader(f"its header holds a value of unknown type {kind}")

    def _array(self) -> list[Any]:
        kind, count = self._unpack("IQ")
        if count > len(self._data) - self._position:
            raise DamagedHeader("it ends within its header")
        if kind in _SCALARS:
            return list(self._unpack(f"{count}{_SCALARS[kind]}"))
        if kind == _STRING:
            return [self._string() for _ in range(count)]
        raise DamagedHeader(f"its header holds a list of unknown type {kind}")

    def _row(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string()
        (dimensions,) = self._unpack("I")
        if dimensions > _MAX_DIMENSIONS:
            raise DamagedHeader(f"tensor {name!r} has {dimensions} dimensions")
        # ggml writes the fastest dimension first, torch last.
        shape = tuple(reversed(self._unpack(f"{dimensions}Q")))
        encoding, offset = self._unpack("IQ")
        return name, shape, encoding, offset


def _place(row: tuple[str, tuple[int, ...], int, int], data_start: int) -> Tensor:
    name, shape, number, offset = row
    try:
        encoding = GGMLQuantizationType(number)
    except ValueError as error:
        raise DamagedHeader(f"tensor {name!r} is of unknown type {number}") from error
    block, block_bytes = GGML_QUANT_SIZES[encoding]
    tensor = Tensor(name, shape, encoding, data_start + offset, 0)
    size = -(-tensor.elements // block) * block_bytes
    return Tensor(name, shape, encoding, data_start + offset, size)
