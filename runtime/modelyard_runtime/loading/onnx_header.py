"""Reads the table of contents of an ONNX file: its operators and weights, never the numbers.

Our own reader of the protocol buffers, since the library's copies the whole file into memory.
Field numbers are those of onnx.proto3 (https://onnx.ai/onnx/repo-docs/IR.html).
"""

import mmap
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_MAX_DEPTH = 64
# ModelProto, FunctionProto
_GRAPH, _FUNCTIONS, _FUNCTION_DOMAIN, _FUNCTION_NODE = 7, 25, 10, 7
# GraphProto
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
# NodeProto, AttributeProto
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
# TensorProto, StringStringEntryProto
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL = 1, 2, 8, 13
_KEY, _VALUE = 1, 2
_SPARSE_VALUES, _SPARSE_INDICES = 1, 2

#: Number types by TensorProto.DataType. How many bits one has is in its name.
_TYPES = (
    *("", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "text", "bool8"),
    *("float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
    *("float8", "float8", "float8", "float8", "uint4", "int4", "float4", "float8"),
)


class DamagedHeader(Exception):
    """The bytes are not an ONNX model that can be read."""


@dataclass(frozen=True, slots=True)
class External:
    """Numbers in another file, as the model names it; `length` 0 is up to its end."""

    tensor: str
    location: str
    offset: int
    length: int


@dataclass(slots=True)
class Contents:
    """What a model is made of. `sizes`: bytes of weights by number type."""

    operators: set[tuple[str, str]] = field(default_factory=set)
    own_domains: set[str] = field(default_factory=set)
    externals: list[External] = field(default_factory=list)
    parameters: int = 0
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of all weights."""
        return sum(self.sizes.values())

    @property
    def dtype(self) -> str:
        """The number type of most of them; float32 if there are none."""
        return max(self.sizes, key=lambda name: self.sizes[name], default="float32")


def read_contents(path: Path) -> Contents:
    """Read a model's table of contents.

    Raises:
        DamagedHeader: it is cut short, or not a model.
    """
    if not path.stat().st_size:
        raise DamagedHeader("it is empty")
    contents = Contents()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data, contents)
        graphs = 0
        for number, start, end in reader.fields(0, len(data)):
            if number == _GRAPH:
                graphs += 1
                reader.read_graph(start, end, 0)
            elif number == _FUNCTIONS:
                reader.read_function(start, end)
    if not graphs:
        raise DamagedHeader("it has no graph")
    return contents


class _Reader:
    """Walks messages in place. Fields of numbers are given as `(number, value, -1)`."""

    def __init__(self, data: mmap.mmap, contents: Contents) -> None:
        self._data = data
        self._contents = contents

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield a message's fields: number, and begin and end of the content."""
        while start < end:
            tag, start = self._varint(start, end)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                value, start = self._varint(start, end)
                yield number, value, -1
                continue
            if kind == _BYTES:
                length, start = self._varint(start, end)
            elif kind in {_FIXED32, _FIXED64}:
                length = 4 if kind == _FIXED32 else 8
            else:
                raise DamagedHeader(f"at byte {start} there is no field")
            if start + length > end:
                raise DamagedHeader(
                    f"a field at byte {start} should have {length} bytes, and {end - start} are "
                    "left"
                )
            yield number, start, start + length
            start += length

    def read_graph(self, start: int, end: int, depth: int) -> None:
        """Read a graph, and those inside of its operators."""
        if depth > _MAX_DEPTH:
            raise DamagedHeader(f"its graphs are nested deeper than {_MAX_DEPTH}")
        for number, begin, stop in self._messages(start, end):
            if number == _NODE:
                self._read_node(begin, stop, depth)
            elif number == _INITIALIZER:
                self._read_tensor(begin, stop)
            elif number == _SPARSE:
                self._read_sparse(begin, stop)

    def read_function(self, start: int, end: int) -> None:
        """Read an operator that the model defines itself."""
        for number, begin, stop in self._messages(start, end):
            if number == _FUNCTION_DOMAIN:
                self._contents.own_domains.add(self._text(begin, stop))
            elif number == _FUNCTION_NODE:
                self._read_node(begin, stop, 1)

    def _read_node(self, start: int, end: int, depth: int) -> None:
        operator, domain = "", ""
        for number, begin, stop in self._messages(start, end):
            if number == _NODE_OPERATOR:
                operator = self._text(begin, stop)
            elif number == _NODE_DOMAIN:
                domain = self._text(begin, stop)
            elif number == _NODE_ATTRIBUTE:
                self._read_attribute(begin, stop, depth)
        self._contents.operators.add((domain, operator))

    def _read_attribute(self, start: int, end: int, depth: int) -> None:
        for number, begin, stop in self._messages(start, end):
            if number in {_TENSOR, _TENSORS}:
                self._read_tensor(begin, stop)
            elif number in {_SUBGRAPH, _SUBGRAPHS}:
                self.read_graph(begin, stop, depth + 1)
            elif number in {_SPARSE_TENSOR, _SPARSE_TENSORS}:
                self._read_sparse(begin, stop)

    def _read_sparse(self, start: int, end: int) -> None:
        for number, begin, stop in self._messages(start, end):
            if number in {_SPARSE_VALUES, _SPARSE_INDICES}:
                self._read_tensor(begin, stop)

    def _read_tensor(self, start: int, end: int) -> None:
        count, data_type, name = 1, 0, ""
        external: dict[str, str] = {}
        for number, begin, stop in self.fields(start, end):
            if number == _DIMS:
                for dimension in [begin] if stop < 0 else self._packed(begin, stop):
                    count *= dimension
            elif number == _DATA_TYPE:
                data_type = begin
            elif number == _NAME and stop >= 0:
                name = self._text(begin, stop)
            elif number == _EXTERNAL and stop >= 0:
                key, value = self._read_entry(begin, stop)
                external[key] = value
        dtype = _TYPES[data_type] if data_type < len(_TYPES) else ""
        bits = int(dtype.lstrip(string.ascii_lowercase) or 0)
        self._contents.parameters += count
        sizes = self._contents.sizes
        sizes[dtype] = sizes.get(dtype, 0) + -(-count * bits // 8)
        if external:
            self._contents.externals.append(_to_external(name, external))

    def _read_entry(self, start: int, end: int) -> tuple[str, str]:
        entry = {number: self._text(*span) for number, *span in self._messages(start, end)}
        return entry.get(_KEY, ""), entry.get(_VALUE, "")

    def _messages(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield the fields that are texts or messages."""
        return (one for one in self.fields(start, end) if one[2] >= 0)

    def _packed(self, start: int, end: int) -> Iterator[int]:
        while start < end:
            value, start = self._varint(start, end)
            yield value

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode(errors="replace")

    def _varint(self, start: int, end: int) -> tuple[int, int]:
        value = 0
        for place in range(_MAX_VARINT_BYTES):
            if start + place >= end:
                raise DamagedHeader(f"it ends within a number, at byte {start}")
            byte = self._data[start + place]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
                return value, start + place + 1
        raise DamagedHeader(f"at byte {start} there is no number")


def _to_external(name: str, entries: dict[str, str]) -> External:
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or 0)
    except ValueError as error:
        raise DamagedHeader(f"the place of the tensor {name!r} is no number") from error
    return External(name, entries.get("location", ""), offset, length)
