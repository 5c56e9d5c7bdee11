"""Tensors of a model that takes tensors: they go to it, and come from it, as they are. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_runtime.domain import Signature, TensorSignature
from modelyard_runtime.errors import EngineFailure, InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import BYTES, datatype_of, numpy_type
from modelyard_runtime.protocols.open_inference.tensors import (
    Question,
    Tensor,
    decode_texts,
    form_objects,
    input_field,
    shown,
)
from modelyard_runtime.tasks.predict import Prediction, TensorInput


def form_input(question: Question, signature: Signature) -> TensorInput:
    """Return what the engine takes.

    Raises:
        InvalidRequest: a tensor is missing, unknown, or not of the declared datatype and shape.
    """
    if question.parameters:
        name = next(iter(question.parameters))
        raise InvalidRequest(
            f"The parameter {shown(name)} is unknown; the model has none.",
            param=f"parameters.{name[:64]}",
        )
    declared = {header.name: header for header in signature.inputs}
    known = ", ".join(declared)
    values: dict[str, NDArray[Any]] = {}
    for tensor in question.inputs:
        header = declared.get(tensor.name)
        if header is None:
            raise InvalidRequest(
                f"The model has no input {shown(tensor.name)}; it has {known}.",
                param=input_field(tensor.name, "name"),
            )
        _check(tensor, header)
        values[tensor.name] = _to_model(tensor)
    for name in declared:
        if name not in values:
            raise InvalidRequest(f"The input {name!r} is missing.", param=f"inputs.{name}")
    return TensorInput(values)


def read_outputs(prediction: Prediction) -> dict[str, Tensor]:
    """Return the model's outputs; where it has labels, also the best one of each example.

    Raises:
        EngineFailure: the model does not return tensors.
    """
    outputs = prediction.outputs
    if not isinstance(outputs, Mapping):
        raise EngineFailure("The model returned something that is no tensors; ask /predict.")
    tensors = {name: _from_model(name, np.asarray(value)) for name, value in outputs.items()}
    for name, value in (("label", prediction.label), ("score", prediction.score)):
        if value is not None and name not in tensors:
            array = np.atleast_1d(np.asarray(value))
            array = array.astype(np.float32) if array.dtype.kind == "f" else array
            tensors[name] = _from_model(name, array)
    return tensors


def _check(tensor: Tensor, header: TensorSignature) -> None:
    if tensor.datatype != header.datatype:
        raise InvalidRequest(
            f"The input {header.name!r} is {tensor.datatype}; the model takes {header.datatype}.",
            param=input_field(tensor.name, "datatype"),
        )
    fits = len(tensor.shape) == len(header.shape) and all(
        wanted in {-1, size} for size, wanted in zip(tensor.shape, header.shape, strict=True)
    )
    if not fits:
        raise InvalidRequest(
            f"The input {header.name!r} has the shape {list(tensor.shape)}; the model takes "
            f"{list(header.shape)}, where -1 is any size.",
            param=input_field(tensor.name, "shape"),
        )


def _to_model(tensor: Tensor) -> NDArray[Any]:
    if tensor.datatype != BYTES:
        # What came is a part of the request's bytes: not to be written to, and lying as it fell.
        return np.array(tensor.array)
    return form_objects(decode_texts(tensor)).reshape(tensor.shape)


def _from_model(name: str, array: NDArray[Any]) -> Tensor:
    try:
        datatype = datatype_of(array.dtype)
    except KeyError as error:
        raise EngineFailure(
            f"The model's output {name!r} is {array.dtype}, which the protocol has no word for."
        ) from error
    if datatype != BYTES:
        return Tensor(name, datatype, array.astype(numpy_type(datatype), copy=False))
    texts = [each if isinstance(each, bytes) else str(each).encode() for each in array.flat]
    return Tensor(name, datatype, form_objects(texts).reshape(array.shape))
