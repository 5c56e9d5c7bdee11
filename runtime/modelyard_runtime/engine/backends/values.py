"""Classes that a model brings: values in, as many values out, whatever the task makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import torch

from modelyard_runtime.engine.backends.value_forms import FORMS
from modelyard_runtime.errors import EngineFailure, InvalidRequest
from modelyard_runtime.loading.program import LoadedClass

_CHARACTERS_PER_TOKEN = 4
_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value for `predict`."""

    value: Any

    @property
    def length(self) -> int:
        """What it weighs in a batch: texts by their length, all else alike."""
        size = len(self.value) if isinstance(self.value, str) else 0
        return 1 + size // _CHARACTERS_PER_TOKEN


class ClassPredictor:
    """Asks the class's `predict(inputs: list) -> list`."""

    context_tokens = 0

    def __init__(self, loaded: LoadedClass) -> None:
        self._loaded = loaded
        self._form = FORMS[loaded.wanted.detected.task]
        self._sample = self._form.sample(loaded.example)
        self._name = loaded.wanted.detected.entrypoint

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self._loaded.device_type == "cuda":
            torch.cuda.synchronize()

    def sample(self) -> Any:
        """Return an item with the class's own example."""
        return self._sample

    def prepare(self, item: Any) -> list[ValueRow]:
        """Return the item's values."""
        return [ValueRow(value) for value in self._form.to_values(item)]

    def compute(self, rows: Sequence[ValueRow]) -> list[Any]:
        """Return what the class makes of each value.

        Raises:
            InvalidRequest: the class raised ValueError, by which it refuses a value.
            EngineFailure: it did not return one result for each.
        """
        try:
            outputs = self._loaded.predict([row.value for row in rows])
        except ValueError as error:
            reason = " ".join(str(error).split())[:_MAX_REASON]
            message = f"the model refuses this input: {reason}"
            raise InvalidRequest(message, param="input") from error
        if not isinstance(outputs, list | tuple) or len(outputs) != len(rows):
            found = f"{len(outputs)} values" if isinstance(outputs, list | tuple) else "no list"
            raise EngineFailure(f"predict of {self._name} returned {found} for {len(rows)} values")
        return list(outputs)

    def finish(self, item: Any, _rows: Sequence[ValueRow], outputs: Sequence[Any]) -> Any:
        """Return the task's result."""
        try:
            # What JSON cannot hold would fail as the answer is written, far from its cause.
            orjson.dumps(list(outputs), option=orjson.OPT_SERIALIZE_NUMPY)
            return self._form.to_result(item, list(outputs))
        except TypeError as error:
            raise EngineFailure(f"predict of {self._name} returned {error}") from error
