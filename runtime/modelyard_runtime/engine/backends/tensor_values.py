"""From what clients send to arrays as a model's signature has them: pure."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_runtime.domain import DATATYPES, TensorSignature
from modelyard_runtime.errors import InvalidRequest

# Of a name that the model does not have, in an error.
_MAX_NAME = 64
#: What JSON may have for each of numpy's kinds of types, and what that is called.
_TAKEN: dict[str, tuple[set[type], str]] = {
    "b": ({bool}, "true and false"),
    "i": ({int}, "whole numbers"),
    "u": ({int}, "whole numbers"),
    "f": ({int, float}, "numbers"),
    "O": ({str}, "texts"),
}


def read_inputs(
    values: Any, field: str, inputs: Sequence[TensorSignature]
) -> dict[str, NDArray[Any]]:
    """Return an array for each input.

    `values` are nested lists or arrays by name, or without one where there is a single input.

    Raises:
        InvalidRequest: a name, number type or shape is not the model's; it names the field.
    """
    if not isinstance(values, Mapping):
        _require_single(field, inputs)
        return {inputs[0].name: read_array(values, inputs[0], field)}
    names = [tensor.name for tensor in inputs]
    for name in values:
        if name not in names:
            raise InvalidRequest(
                f"the model has no input {str(name)[:_MAX_NAME]!r}; it takes {', '.join(names)}",
                param=f"{field}.{str(name)[:_MAX_NAME]}",
            )
    return {tensor.name: _read_named(values, tensor, f"{field}.{tensor.name}") for tensor in inputs}


def read_array(values: Any, tensor: TensorSignature, param: str) -> NDArray[Any]:
    """Return the array of an input.

    Raises:
        InvalidRequest: the number type or the shape is not the model's.
    """
    array = _read_exact(values, tensor, param) if _is_exact(values) else None
    if array is None:
        array = _convert(values, tensor, param)
    _require_shape(array, tensor, param)
    return array


def _read_named(values: Mapping[str, Any], tensor: TensorSignature, param: str) -> NDArray[Any]:
    if tensor.name not in values:
        raise InvalidRequest(
            f"the model's input {tensor.name!r} is missing",
            param=param,
            code="missing_required_parameter",
        )
    return read_array(values[tensor.name], tensor, param)


def _require_single(field: str, inputs: Sequence[TensorSignature]) -> None:
    if len(inputs) > 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise InvalidRequest(
            f"the model has {len(inputs)} inputs; send an object with {names} as 'inputs'",
            param=field,
        )


def _is_exact(values: Any) -> bool:
    return isinstance(values, np.ndarray)


def _read_exact(values: NDArray[Any], tensor: TensorSignature, param: str) -> NDArray[Any]:
    """Arrays of a protocol that has types: these must be the model's."""
    if values.dtype != np.dtype(DATATYPES[tensor.datatype]):
        raise InvalidRequest(
            f"{tensor.name!r} is {tensor.datatype}, and not {values.dtype}", param=param
        )
    return values


def _convert(values: Any, tensor: TensorSignature, param: str) -> NDArray[Any]:
    """JSON has numbers, texts and truth, and nothing else."""
    leaves, shape = _flatten(values, tensor, param)
    target = np.dtype(DATATYPES[tensor.datatype])
    kinds, what = _TAKEN[target.kind]
    if not set(map(type, leaves)) <= kinds:
        raise InvalidRequest(
            f"{tensor.name!r} takes {what} ({tensor.datatype}), in lists of one length at each "
            "depth",
            param=param,
            code="invalid_type",
        )
    try:
        with np.errstate(over="ignore"):
            array = np.array(leaves, dtype=target).reshape(shape)
    except OverflowError as error:
        raise _too_large(tensor, param) from error
    if target.kind == "f" and not np.isfinite(array).all():
        raise _too_large(tensor, param)
    return array


def _flatten(values: Any, tensor: TensorSignature, param: str) -> tuple[list[Any], tuple[int, ...]]:
    """Return what is in nested lists, and their shape.

    Not by way of numpy, which guesses a type: a long text among numbers would make each of them
    as long.
    """
    shape: list[int] = []
    level = [values]
    while level and isinstance(level[0], list):
        lengths = {len(one) if isinstance(one, list) else -1 for one in level}
        if len(lengths) > 1:
            raise InvalidRequest(
                f"{tensor.name!r} is ragged: lists at the same depth must be equally long",
                param=param,
            )
        shape.append(lengths.pop())
        level = list(chain.from_iterable(level))
    return level, tuple(shape)


def _too_large(tensor: TensorSignature, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"{tensor.name!r} has a number that {tensor.datatype} cannot hold", param=param
    )


def _require_shape(array: NDArray[Any], tensor: TensorSignature, param: str) -> None:
    wanted = tensor.shape
    fits = array.ndim == len(wanted) and all(
        size in (-1, actual) for size, actual in zip(wanted, array.shape, strict=True)
    )
    if fits and array.size:
        return
    shown = ", ".join("any" if size < 0 else str(size) for size in wanted)
    raise InvalidRequest(
        f"{tensor.name!r} has the shape {list(array.shape)}, and the model takes [{shown}]",
        param=param,
        code="invalid_shape",
    )
