"""Finds out, once the model is loaded, whether examples may be computed together.

A free first dimension mostly counts examples, but nothing says so: it may be a text's length, or
the model may compare its examples with one another. So a few made-up examples are computed together
and each alone, and only if both give the same are those of different clients stacked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_api.meta import Reason
from modelyard_runtime.domain import DATATYPES, Signature, TensorSignature
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.program import Arrays, LoadedProgram

# What free dimensions behind the first may be: lengths of lists and texts, sides of pictures.
_SIZES = (1, 8, 32, 224)
_TOGETHER = 3
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4
_NAMES = {dtype: datatype for datatype, dtype in DATATYPES.items()}


class Grouping(Enum):
    """What is computed in one step of the model."""

    STACKED = auto()
    """Examples of all clients, along the first dimension."""
    SINGLE = auto()
    """One example: the first dimension is 1."""
    WHOLE = auto()
    """What a client sent, as it is."""


@dataclass(frozen=True, slots=True)
class Probed:
    """A model that has answered `sample`."""

    signature: Signature
    grouping: Grouping
    sample: Arrays
    outputs: Arrays


def probe(program: LoadedProgram) -> Probed:
    """Try the model.

    Raises:
        CannotStart: WarmupFailed, it answers none of the samples.
    """
    inputs = program.signature.inputs
    sample, outputs = _find_sample(program)
    grouping = _decide_grouping(program, sample, outputs)
    described = program.signature.outputs or tuple(
        _describe(name, array, is_free=grouping is Grouping.STACKED)
        for name, array in outputs.items()
    )
    return Probed(Signature(inputs, described), grouping, sample, outputs)


def build_sample(inputs: Sequence[TensorSignature], rows: int, size: int) -> Arrays:
    """Return inputs of so many rows, of small numbers that differ from row to row."""
    return {tensor.name: _fill(tensor, rows, size) for tensor in inputs}


def _find_sample(program: LoadedProgram) -> tuple[Arrays, Arrays]:
    failure: Exception | None = None
    for size in _SIZES:
        for rows in (1, 2):
            sample = build_sample(program.signature.inputs, rows, size)
            try:
                return sample, program.run(sample)
            except CannotStart:
                raise
            except Exception as error:  # noqa: BLE001 - every library has its own; the last is told
                failure = error
    raise CannotStart(
        Reason.WARMUP_FAILED,
        f"the model loaded, but computes none of the made-up inputs: {type(failure).__name__}: "
        f"{failure}",
        hint="Fix the dimensions that cannot be of any size when the model is exported: free ones "
        f"are tried with {', '.join(map(str, _SIZES))}.",
    )


def _decide_grouping(program: LoadedProgram, sample: Arrays, outputs: Arrays) -> Grouping:
    first = {tensor.shape[:1] for tensor in program.signature.inputs}
    if first == {(1,)}:
        is_split = all(array.shape[:1] == (1,) for array in outputs.values())
        return Grouping.SINGLE if is_split else Grouping.WHOLE
    if first != {(-1,)}:
        return Grouping.WHOLE
    size = max((n for array in sample.values() for n in array.shape[1:]), default=1)
    free = [n for t in program.signature.inputs for n in t.shape[1:] if n < 0]
    rows = build_sample(program.signature.inputs, _TOGETHER, size if free else 1)
    return Grouping.STACKED if _is_separable(program, rows) else Grouping.WHOLE


def _is_separable(program: LoadedProgram, rows: Arrays) -> bool:
    """Say whether rows computed together are as each alone."""
    try:
        together = program.run(rows)
        alone = [
            program.run({name: array[i : i + 1] for name, array in rows.items()})
            for i in range(_TOGETHER)
        ]
    except Exception:  # noqa: BLE001 - the model does not take so many, or not a single one
        return False
    return all(
        _is_same(array, [outputs[name] for outputs in alone]) for name, array in together.items()
    )


def _is_same(together: NDArray[Any], alone: Sequence[NDArray[Any]]) -> bool:
    if together.shape[:1] != (_TOGETHER,) or any(one.shape[:1] != (1,) for one in alone):
        return False
    if any(one.shape[1:] != together.shape[1:] for one in alone):
        return False
    joined = np.concatenate(alone)
    if together.dtype.kind != "f":
        return bool(np.array_equal(together, joined))
    return bool(np.allclose(together, joined, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True))


def _fill(tensor: TensorSignature, rows: int, size: int) -> NDArray[Any]:
    head = tuple(rows if n < 0 else n for n in tensor.shape[:1])
    shape = head + tuple(size if n < 0 else n for n in tensor.shape[1:])
    count = int(np.prod(shape))
    dtype = np.dtype(DATATYPES[tensor.datatype])
    if tensor.datatype == "BYTES":
        return np.full(shape, "a", dtype=object)
    if dtype.kind == "f":
        return np.linspace(0.1, 0.9, count).reshape(shape).astype(dtype)
    # 0 and 1 are in every vocabulary; rows begin with one or the other.
    per_row = max(count // (shape[0] if shape else 1), 1)
    return ((np.arange(count) // per_row) % 2).reshape(shape).astype(dtype)


def _describe(name: str, array: NDArray[Any], *, is_free: bool) -> TensorSignature:
    shape = (-1, *array.shape[1:]) if is_free else array.shape
    return TensorSignature(name, _NAMES.get(array.dtype.name, "BYTES"), shape)


def read_groups(arrays: Mapping[str, NDArray[Any]]) -> tuple[Any, ...]:
    """Return what arrays must have in common to be stacked: all but the first dimension."""
    return tuple((name, array.shape[1:]) for name, array in arrays.items())
