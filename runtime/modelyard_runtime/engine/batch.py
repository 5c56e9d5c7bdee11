"""Which inputs are computed together next: pure.

There is no fixed wait: a batch is whatever waits when the model is free. While it computes, others
arrive, so batches grow with the load by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch is at most so many inputs, and so many tokens after padding to the longest."""

    max_items: int
    max_tokens: int


class Sized(Protocol):
    """An input with a length."""

    @property
    def length(self) -> int:
        """Tokens."""
        ...


Item = TypeVar("Item", bound=Sized)


def form_batch(waiting: Sequence[Item], limits: BatchLimits) -> list[Item]:
    """Return the next batch of `waiting`, in the order of turns; empty if nothing waits.

    The first input is always in it, so nobody starves; around it come the inputs closest to its
    length, so that little is padded. An input longer than the limit makes a batch of its own.
    """
    if not waiting:
        return []
    by_length = sorted(range(len(waiting)), key=lambda place: (waiting[place].length, place))
    low = high = by_length.index(0)
    lengths = [waiting[place].length for place in by_length]
    while high - low + 1 < limits.max_items:
        below = lengths[low] - lengths[low - 1] if low else None
        above = lengths[high + 1] - lengths[high] if high + 1 < len(lengths) else None
        size = high - low + 2
        if above is not None and lengths[high + 1] * size > limits.max_tokens:
            above = None
        if below is not None and lengths[high] * size > limits.max_tokens:
            below = None
        if above is None and below is None:
            break
        if below is None or (above is not None and above <= below):
            high += 1
        else:
            low -= 1
    return [waiting[place] for place in by_length[low : high + 1]]
