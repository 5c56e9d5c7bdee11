"""When a sequence ends, and which text may be shown before that: pure.

Text that could be the beginning of a stop string is held back until it is known not to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from modelyard_runtime.domain import FinishReason


@dataclass(slots=True)
class StopStrings:
    """Watches a text for the first of its stop strings, piece by piece."""

    stops: Sequence[str]
    _held: str = field(default="", init=False)

    def feed(self, piece: str) -> tuple[str, bool]:
        """Return the text that may be shown now, and whether a stop string has come up."""
        if not self.stops:
            return piece, False
        text = self._held + piece
        found = [position for stop in self.stops if (position := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)], True
        keep = max(_overlap(text, stop) for stop in self.stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def flush(self) -> str:
        """Return the text still held: the sequence ended before it became a stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of text that begins stop."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[len(text) - length :]):
            return length
    return 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a sequence ends at the latest, in tokens generated, and the tokens that end it."""

    max_new_tokens: int
    end_tokens: frozenset[int]

    def decide_finish(self, token: int, generated: int) -> FinishReason | None:
        """Return why the sequence ends with this token, its `generated`-th; None: it goes on."""
        if token in self.end_tokens:
            return "stop"
        return "length" if generated >= self.max_new_tokens else None


def bound_new_tokens(prompt_tokens: int, context_tokens: int, wanted: int | None) -> int:
    """Return how many tokens a sequence may add: what is asked for, within the context."""
    room = context_tokens - prompt_tokens
    return room if wanted is None else min(wanted, room)
