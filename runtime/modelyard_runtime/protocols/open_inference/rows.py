"""Tensors as the requests of a task, one for each row, and their answers as columns. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import BYTES, numpy_type
from modelyard_runtime.protocols.open_inference.signature import (
    ROW_KINDS,
    Column,
    Field,
    Form,
    Kind,
    TaskSignature,
)
from modelyard_runtime.protocols.open_inference.tensors import (
    Question,
    Tensor,
    decode_texts,
    form_objects,
    input_field,
    shown,
)
from modelyard_runtime.schema import Body, explain
from modelyard_runtime.tasks.spec import MAX_TEXTS

#: What numpy calls the kinds of number that a field takes.
_TAKEN = {Kind.TRUTH: "b", Kind.INTEGER: "iu", Kind.NUMBER: "iuf"}


def form_bodies(question: Question, signature: TaskSignature, request: type[Body]) -> list[Body]:
    """Return a request of the task for each row.

    Raises:
        InvalidRequest: an input is missing, unknown, or not what the task takes.
    """
    inputs = {tensor.name: tensor for tensor in question.inputs}
    _check_names(question, signature, inputs)
    count = _count_rows(inputs, signature)
    shared = {name: _freeze(value) for name, value in question.parameters.items()}
    columns: dict[str, Sequence[Any]] = {}
    for name, tensor in inputs.items():
        values = _read_values(tensor, signature.fields[name])
        if signature.fields[name].kind is Kind.TEXTS:
            shared[name] = tuple(values)
        elif len(values) in {1, count}:
            columns[name] = values if len(values) == count else values * count
        else:
            raise _wrong_shape(tensor, f"one element, or one for each of the {count} rows")
    longest = max((len(value) for value in shared.values() if isinstance(value, tuple)), default=1)
    if count * longest > MAX_TEXTS:
        raise InvalidRequest(
            f"{count} rows with {longest} texts each are more than {MAX_TEXTS} in all.",
            param="inputs",
        )
    return [
        _form_body(request, {**shared, **{name: column[row] for name, column in columns.items()}})
        for row in range(count)
    ]


def form_columns(answers: Sequence[Any], signature: TaskSignature) -> dict[str, Tensor]:
    """Return the outputs that every answer has.

    Raises:
        InvalidRequest: rows are of different lengths, so that they are no tensor together.
    """
    tensors: dict[str, Tensor] = {}
    for name, column in signature.columns.items():
        rows = [_pick(answer, name) for answer in answers]
        if not any(row is _ABSENT for row in rows):
            tensors[name] = Tensor(name, column.header.datatype, _form_column(column, rows))
    return tensors


_ABSENT = object()


def _freeze(value: Any) -> Any:
    # What JSON has for a list is no tuple, as schemas want them.
    return tuple(value) if isinstance(value, list) else value


def _pick(answer: Any, name: str) -> Any:
    return answer.get(name, _ABSENT) if isinstance(answer, Mapping) else answer


def _check_names(
    question: Question, signature: TaskSignature, inputs: Mapping[str, Tensor]
) -> None:
    known = ", ".join(signature.fields)
    for tensor in question.inputs:
        field = signature.fields.get(tensor.name)
        if field is None or field.kind is Kind.OTHER:
            raise InvalidRequest(
                f"The model has no input {shown(tensor.name)}; it has {known}.",
                param=input_field(tensor.name, "name"),
            )
    for header in signature.inputs:
        is_row = signature.fields[header.name].kind in ROW_KINDS
        if header.name not in inputs and (is_row or header.name not in question.parameters):
            raise InvalidRequest(
                f"The input {header.name!r} is missing.", param=f"inputs.{header.name}"
            )
    for name in question.parameters:
        if name not in signature.fields or name in inputs:
            why = "sent as an input, too" if name in inputs else f"unknown; there are {known}"
            raise InvalidRequest(
                f"The parameter {shown(name)} is {why}.", param=f"parameters.{name[:64]}"
            )


def _count_rows(inputs: Mapping[str, Tensor], signature: TaskSignature) -> int:
    """Return the length of the longest input that has an element for each row."""
    rows = [
        tensor
        for name, tensor in inputs.items()
        if signature.fields[name].kind in ROW_KINDS and signature.fields[name].is_input
    ]
    for tensor in inputs.values():
        if tensor.shape not in {(tensor.array.size,), (tensor.array.size, 1)}:
            raise _wrong_shape(tensor, "the shape [N] or [N, 1]")
        if not 1 <= tensor.array.size <= MAX_TEXTS:
            raise _wrong_shape(tensor, f"from 1 to {MAX_TEXTS} elements")
    return max((tensor.array.size for tensor in rows), default=1)


def _read_values(tensor: Tensor, field: Field) -> list[Any]:
    flat = tensor.array.ravel()
    if field.kind in _TAKEN:
        if flat.dtype.kind not in _TAKEN[field.kind]:
            raise _wrong_datatype(tensor, field)
        return list(flat.tolist())
    if tensor.datatype != BYTES:
        raise _wrong_datatype(tensor, field)
    if field.kind is Kind.FILE and not tensor.is_text:
        return list(flat)
    return decode_texts(tensor)


def _form_body(request: type[Body], values: Mapping[str, Any]) -> Body:
    try:
        return request.model_validate(values)
    except ValidationError as error:
        raise explain(error) from error


def _form_column(column: Column, rows: Sequence[Any]) -> NDArray[Any]:
    header = column.header
    if column.form is Form.JSON:
        return form_objects([orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows])
    if header.datatype == BYTES:
        return form_objects([row.encode() for row in rows])
    if column.form is Form.VECTOR and len({len(row) for row in rows}) > 1:
        raise InvalidRequest(
            f"The output {header.name!r} has another length for each row: ask row by row.",
            param="inputs",
        )
    return np.asarray(rows, dtype=numpy_type(header.datatype))


def _wrong_shape(tensor: Tensor, wanted: str) -> InvalidRequest:
    return InvalidRequest(
        f"The input {shown(tensor.name)} has the shape {list(tensor.shape)}; it needs {wanted}.",
        param=input_field(tensor.name, "shape"),
    )


def _wrong_datatype(tensor: Tensor, field: Field) -> InvalidRequest:
    wanted = {
        Kind.TRUTH: "BOOL",
        Kind.INTEGER: "a datatype of whole numbers",
        Kind.NUMBER: "a datatype of numbers",
    }.get(field.kind, BYTES)
    return InvalidRequest(
        f"The input {shown(tensor.name)} is {tensor.datatype}; it needs {wanted}.",
        param=input_field(tensor.name, "datatype"),
    )
