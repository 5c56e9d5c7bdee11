"""What a task's declared schemas are as tensors. Pure.

Of the request, what is required and is a text, a file, or a list of texts is an input: texts and
files are one for each row, lists are shared by all rows. Everything else is a parameter; a single
value may also be sent as an input, one for all rows or one for each.

Of the answer, each field is an output with one element for each row: texts, numbers and truth
values as they are, a list of numbers as a row of FP32, and everything else as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pydantic import TypeAdapter

from modelyard_runtime.domain import TensorSignature
from modelyard_runtime.protocols.open_inference.datatypes import BYTES
from modelyard_runtime.tasks.spec import TaskSpec

#: Of answers that are no objects.
_ONLY_OUTPUT = "answer"

Json = Mapping[str, Any]


class Kind(Enum):
    """How a field of a request becomes a value of each row."""

    TEXT = auto()
    FILE = auto()
    TEXTS = auto()
    TRUTH = auto()
    INTEGER = auto()
    NUMBER = auto()
    OTHER = auto()


class Form(Enum):
    """How a field of the answers becomes a column."""

    PLAIN = auto()
    VECTOR = auto()
    JSON = auto()


#: Those that have one value for each row.
ROW_KINDS = frozenset({Kind.TEXT, Kind.FILE})

_DATATYPES = {
    Kind.TEXT: BYTES,
    Kind.FILE: BYTES,
    Kind.TEXTS: BYTES,
    Kind.TRUTH: "BOOL",
    Kind.INTEGER: "INT64",
    Kind.NUMBER: "FP64",
}
_SIMPLE = {
    "string": Kind.TEXT,
    "boolean": Kind.TRUTH,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
}
_COLUMNS = {"string": BYTES, "boolean": "BOOL", "integer": "INT64", "number": "FP32"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the request."""

    kind: Kind
    is_input: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the answer. Some are only there where they were asked for by a parameter."""

    header: TensorSignature
    form: Form
    is_optional: bool


@dataclass(frozen=True, slots=True)
class TaskSignature:
    """A task's inputs, parameters and outputs."""

    fields: Mapping[str, Field]
    columns: Mapping[str, Column]

    @property
    def inputs(self) -> tuple[TensorSignature, ...]:
        """The tensors that a request must have."""
        return tuple(
            TensorSignature(name, _DATATYPES[field.kind], (-1,))
            for name, field in self.fields.items()
            if field.is_input
        )

    @property
    def outputs(self) -> tuple[TensorSignature, ...]:
        """The tensors that an answer may have."""
        return tuple(column.header for column in self.columns.values())


def derive_signature(spec: TaskSpec) -> TaskSignature:
    """Read a task's schemas."""
    request = spec.request.model_json_schema()
    required = request.get("required", ())
    fields: dict[str, Field] = {}
    for name, schema in request["properties"].items():
        kind = _kind_of(_resolve(schema, request))
        fields[name] = Field(kind, is_input=name in required and kind is not Kind.OTHER)
    return TaskSignature(fields, _derive_columns(TypeAdapter(spec.answer).json_schema()))


def _derive_columns(document: Json) -> dict[str, Column]:
    answer = _resolve(document, document)
    if "properties" not in answer:
        return {_ONLY_OUTPUT: _column_of(_ONLY_OUTPUT, answer, is_optional=False)}
    required = answer.get("required", ())
    return {
        name: _column_of(name, _resolve(schema, document), is_optional=name not in required)
        for name, schema in answer["properties"].items()
    }


def _column_of(name: str, schema: Json, *, is_optional: bool) -> Column:
    datatype = _COLUMNS.get(schema.get("type", ""))
    if datatype is not None:
        return Column(TensorSignature(name, datatype, (-1,)), Form.PLAIN, is_optional)
    if schema.get("type") == "array" and schema.get("items") == {"type": "number"}:
        return Column(TensorSignature(name, "FP32", (-1, -1)), Form.VECTOR, is_optional)
    return Column(TensorSignature(name, BYTES, (-1,)), Form.JSON, is_optional)


def _kind_of(schema: Json) -> Kind:
    branches = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    # A text or a list of texts, a file or a list of files: the list is what rows are for.
    single = [branch for branch in branches if branch.get("type") != "array"]
    if len(single) == 1 and len(branches) <= 2:  # noqa: PLR2004 - one, and its list
        if single[0].get("contentEncoding") == "base64":
            return Kind.FILE
        return _SIMPLE.get(single[0].get("type", ""), Kind.OTHER)
    if len(branches) == 1 and _may_be_text(branches[0].get("items", {})):
        return Kind.TEXTS
    return Kind.OTHER


def _may_be_text(schema: Json) -> bool:
    return any(branch.get("type") == "string" for branch in schema.get("anyOf", [schema]))


def _resolve(schema: Json, document: Json) -> Json:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    resolved: Json = document["$defs"][reference.rpartition("/")[2]]
    return resolved
