"""A queue of keys: what must be looked at, each once, fairly, and not too soon.

Pure: the clock and the dice come in, nothing here waits. `workers.py` adds the waiting. Its size
is bounded by the number of keys there are, since a key is in it at most once.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

from modelyard_kube.backoff import full_jitter
from modelyard_operator.breaker import Breaker

K = TypeVar("K", bound=Hashable)

#: Every so many picks the lowest waiting priority is served first, so that none waits for ever.
_LOW_TURN = 4


class Priority(IntEnum):
    """Which keys go first."""

    HIGH = 0
    """A person changed or deleted the object."""
    NORMAL = 1
    """Something happened to its children."""
    LOW = 2
    """It is looked at anyway: start, audit."""


@dataclass(slots=True)
class _Waiting:
    priority: Priority
    since: float


@dataclass(slots=True)
class _Level(Generic[K]):
    """Keys of one priority, by tenant; the tenants take turns."""

    tenants: OrderedDict[str, OrderedDict[K, None]] = field(default_factory=OrderedDict)

    def add(self, tenant: str, key: K) -> None:
        self.tenants.setdefault(tenant, OrderedDict())[key] = None

    def remove(self, tenant: str, key: K) -> None:
        del self.tenants[tenant][key]
        if not self.tenants[tenant]:
            del self.tenants[tenant]

    def first(self) -> tuple[str, K]:
        tenant, keys = next(iter(self.tenants.items()))
        self.tenants.move_to_end(tenant)
        return tenant, next(iter(keys))


@dataclass(frozen=True, slots=True)
class Taken(Generic[K]):
    """A key to work on, and how long it had waited."""

    key: K
    waited_seconds: float


class WorkQueue(Generic[K]):
    """Deduplicates keys, gives each to one worker at a time, and takes tenants in turn."""

    def __init__(
        self,
        *,
        tenant: Callable[[K], str],
        now: Callable[[], float],
        random: Callable[[], float],
        base_seconds: float = 0.5,
        max_seconds: float = 300.0,
        patience_seconds: float = 15.0,
    ) -> None:
        self._tenant = tenant
        self._now = now
        self._random = random
        self._base_seconds = base_seconds
        self._max_seconds = max_seconds
        self._levels: tuple[_Level[K], ...] = tuple(_Level() for _ in Priority)
        self._waiting: dict[K, _Waiting] = {}
        self._running: dict[K, float] = {}
        self._again: dict[K, Priority] = {}
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._failures: dict[K, int] = {}
        self._outage_seconds = min(patience_seconds, max_seconds)
        self._breaker = Breaker(now=now, random=random, patience_seconds=patience_seconds)
        self._turn = 0
        self._order = count()  # so that equal times never compare keys

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    @property
    def running(self) -> int:
        """How many keys are being worked on."""
        return len(self._running)

    def longest_running_seconds(self) -> float:
        """How long the oldest work in progress has taken so far."""
        return self._now() - min(self._running.values(), default=self._now())

    def oldest_waiting_seconds(self) -> float:
        """How long the key has waited that has waited longest."""
        oldest = next(iter(self._waiting.values()), None)  # keys stand in the order they came
        return 0.0 if oldest is None else self._now() - oldest.since

    def add(self, key: K, priority: Priority = Priority.NORMAL) -> None:
        """Have a key looked at. While it is being worked on, this means once more afterwards."""
        self._due.pop(key, None)
        if key in self._running:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        known = self._waiting.get(key)
        if known is not None:
            if priority >= known.priority:
                return
            self._levels[known.priority].remove(self._tenant(key), key)
            known.priority = priority
        else:
            self._waiting[key] = _Waiting(priority, self._now())
        self._levels[priority].add(self._tenant(key), key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have a key looked at later; of several times the earliest holds."""
        if key in self._waiting or key in self._again:
            return
        due = self._now() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._timers, (due, next(self._order), key))

    def retry(self, key: K, at_least: float | None = None, *, is_outage: bool = False) -> float:
        """Have a key that failed looked at after its backoff; returns the wait in seconds.

        In an outage the key waits for the API server and not for itself: never for long, so that
        none sleeps on when it is over, while the breaker bounds what all of them ask together.
        """
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        cap = self._outage_seconds if is_outage else self._max_seconds
        wait = full_jitter(
            failures, base_seconds=self._base_seconds, max_seconds=cap, random=self._random
        )
        wait = max(wait, at_least or 0.0)
        if is_outage:
            self._breaker.strike(key, at_least or 0.0)
        else:
            self._breaker.close()
        self.add_after(key, wait)
        return wait

    def succeed(self, key: K) -> None:
        """Forget a key's failures, and end the outage."""
        self._failures.pop(key, None)
        self._breaker.close()

    def clear(self) -> None:
        """Forget every key that is not being worked on."""
        for level in self._levels:
            level.tenants.clear()
        for keys in (self._waiting, self._again, self._due, self._failures):
            keys.clear()
        self._timers.clear()
        self._breaker.close()

    def take(self) -> Taken[K] | None:
        """Return the next key, None when nothing is to be done now. `done` must follow."""
        if self._breaker.hold_seconds():
            return None
        self._wake()
        filled = [level for level in self._levels if level.tenants]
        if not filled:
            return None
        self._turn += 1
        level = filled[-1] if self._turn % _LOW_TURN == 0 else filled[0]
        tenant, key = level.first()
        level.remove(tenant, key)
        waited = self._now() - self._waiting.pop(key).since
        self._running[key] = self._now()
        self._breaker.let_one_pass()
        return Taken(key, waited)

    def done(self, key: K) -> float:
        """Give a key back; returns how long the work took."""
        took = self._now() - self._running.pop(key)
        priority = self._again.pop(key, None)
        if priority is not None:
            self.add(key, priority)
        return took

    def seconds_until_due(self) -> float | None:
        """Return how long until a key is to be taken, None when nothing but `add` brings one."""
        due = 0.0 if self._waiting else self._seconds_until_timer()
        return None if due is None else max(due, self._breaker.hold_seconds())

    def _seconds_until_timer(self) -> float | None:
        while self._timers:
            due, _, key = self._timers[0]
            if self._due.get(key) == due:
                return max(due - self._now(), 0.0)
            heapq.heappop(self._timers)  # superseded by an earlier time, or by add
        return None

    def _wake(self) -> None:
        while self._seconds_until_timer() == 0.0:
            _, _, key = heapq.heappop(self._timers)
            self.add(key, Priority.NORMAL)
