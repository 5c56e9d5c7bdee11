"""Programs of named tensors: examples of all clients, stacked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from modelyard_runtime.domain import TensorSignature
from modelyard_runtime.engine.backends.labels import find_labels
from modelyard_runtime.engine.backends.probing import Grouping, probe, read_groups
from modelyard_runtime.engine.backends.tensor_values import read_inputs
from modelyard_runtime.errors import EngineFailure, InvalidRequest
from modelyard_runtime.loading.faults import is_out_of_memory
from modelyard_runtime.loading.program import Arrays, LoadedProgram
from modelyard_runtime.tasks.predict import Prediction, TensorInput, require_few

# So many numbers weigh as much in a batch as one token of a text.
_NUMBERS_PER_TOKEN = 1024
# A client's examples that are one row: a long table is not queued line by line.
_NUMBERS_PER_ROW, _EXAMPLES_PER_ROW = 65_536, 1024
_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class ArrayRow:
    """What is computed as one: a few examples of a client, or all that it sent."""

    arrays: Arrays

    @property
    def length(self) -> int:
        """Its numbers, in what a token weighs."""
        numbers = sum(array.size for array in self.arrays.values())
        return max(math.ceil(numbers / _NUMBERS_PER_TOKEN), 1)


class TensorPredictor:
    """Computes a program's outputs."""

    context_tokens = 0

    def __init__(self, loaded: LoadedProgram) -> None:
        self._loaded = loaded
        probed = probe(loaded)
        self.signature = probed.signature
        self._grouping = probed.grouping
        self._sample = probed.sample
        self._labels = find_labels(loaded.wanted.folder, probed.outputs)

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self._loaded.device_type == "cuda":
            torch.cuda.synchronize()

    def sample(self) -> TensorInput:
        """Return inputs that the model has answered."""
        return TensorInput(self._sample)

    def prepare(self, item: TensorInput) -> list[ArrayRow]:
        """Return the examples, a few in each row; or one row, where they are not told apart.

        Raises:
            InvalidRequest: a name, number type or shape is not the model's.
        """
        values = [item.values] if self._is_single(item) else item.values
        inputs = self.signature.inputs
        if self._grouping is Grouping.SINGLE:
            inputs = tuple(
                TensorSignature(tensor.name, tensor.datatype, (-1, *tensor.shape[1:]))
                for tensor in inputs
            )
        arrays = read_inputs(values, item.field, inputs)
        if self._grouping is Grouping.WHOLE:
            return [ArrayRow(arrays)]
        count = self._count(arrays, item.field)
        step = self._count_per_row(arrays, count)
        return [
            ArrayRow({name: array[i : i + step] for name, array in arrays.items()})
            for i in range(0, count, step)
        ]

    def compute(self, rows: Sequence[ArrayRow]) -> list[Arrays]:
        """Return the outputs of each row.

        Raises:
            InvalidRequest: the model cannot compute these numbers: it has been seen to compute
                others.
        """
        if self._grouping is not Grouping.STACKED:
            return [self._run(row.arrays) for row in rows]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(read_groups(row.arrays), []).append(i)
        found: dict[int, Arrays] = {}
        for places in groups.values():
            parts = [rows[i].arrays for i in places]
            found |= zip(places, _split(self._run(_stack(parts)), parts), strict=True)
        return [found[i] for i in range(len(rows))]

    def finish(
        self, item: TensorInput, _rows: Sequence[ArrayRow], outputs: Sequence[Arrays]
    ) -> Prediction:
        """Return the outputs of all examples, with their labels."""
        joined = outputs[0] if len(outputs) == 1 else _stack(outputs)
        single = self._is_single(item)
        shown = {name: array[0] for name, array in joined.items()} if single else joined
        shown = {name: np.ascontiguousarray(array) for name, array in shown.items()}
        if self._labels is None:
            return Prediction(shown)
        labels, scores = self._labels.rank(joined)
        if single:
            return Prediction(shown, labels[0], scores[0])
        return Prediction(shown, tuple(labels), tuple(scores))

    def _is_single(self, item: TensorInput) -> bool:
        """Say whether `features` are one example: they have a dimension less than the model."""
        if item.field != "features" or len(self.signature.inputs) != 1:
            return False
        shape = self.signature.inputs[0].shape
        if shape[:1] not in {(-1,), (1,)}:
            return False
        depth, value = 0, item.values
        while isinstance(value, list | tuple) and value:
            depth, value = depth + 1, value[0]
        return depth == len(shape) - 1

    def _run(self, arrays: Arrays) -> Arrays:
        try:
            return self._loaded.run(arrays)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self.require_health()
            reason = " ".join(str(error).split())[:_MAX_REASON]
            raise InvalidRequest(
                f"the model cannot compute these inputs ({type(error).__name__}: {reason})",
                param="inputs",
            ) from error

    def _count_per_row(self, arrays: Arrays, count: int) -> int:
        if self._grouping is Grouping.SINGLE:
            require_few(count, "inputs")
            return 1
        numbers = sum(array.size for array in arrays.values()) // count
        return min(max(_NUMBERS_PER_ROW // max(numbers, 1), 1), _EXAMPLES_PER_ROW)

    @staticmethod
    def _count(arrays: Arrays, field: str) -> int:
        counts = {name: int(array.shape[0]) for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise InvalidRequest(
                f"the inputs must have as many examples each: {shown}", param=field
            )
        return next(iter(counts.values()))


def _split(outputs: Arrays, parts: Sequence[Arrays]) -> list[Arrays]:
    """Return each part's share of what was computed of them together."""
    counts = [next(iter(part.values())).shape[0] for part in parts]
    ends = np.cumsum(counts)
    if any(array.shape[:1] != (ends[-1],) for array in outputs.values()):
        raise EngineFailure("the model did not return an output for each example")
    shares = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
    return [{name: share[i] for name, share in shares.items()} for i in range(len(parts))]


def _stack(parts: Sequence[Arrays]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
