"""What a standby has heard of lately: changes that a leader may have left undone. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from modelyard_operator.workqueue import Priority

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Change:
    priority: Priority
    at: float


class Backlog(Generic[K]):
    """Keys with their priorities, each for some time after its last change.

    Whoever takes over looks at every object. This says which of them first, and forgets the
    rest, since a standby may stand by for months.
    """

    def __init__(self, *, now: Callable[[], float], keep_seconds: float) -> None:
        self._now = now
        self._keep_seconds = keep_seconds
        self._changes: OrderedDict[K, _Change] = OrderedDict()  # in the order of their times

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, key: K, priority: Priority) -> None:
        """Note a change; of several priorities the most urgent holds."""
        self._forget_old()
        known = self._changes.pop(key, None)
        if known is not None:
            priority = min(priority, known.priority)
        self._changes[key] = _Change(priority, self._now())

    def drain(self) -> list[tuple[K, Priority]]:
        """Return the late changes, and forget them."""
        self._forget_old()
        late = [(key, change.priority) for key, change in self._changes.items()]
        self._changes.clear()
        return late

    def _forget_old(self) -> None:
        horizon = self._now() - self._keep_seconds
        while self._changes and next(iter(self._changes.values())).at < horizon:
            self._changes.popitem(last=False)
