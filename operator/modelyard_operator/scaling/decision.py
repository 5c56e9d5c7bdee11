"""How many pods a model is to have, by the requests that its pods are busy with: pure.

Two averages are looked at. The one over the window says how many pods are needed. The one over a
tenth of it counts only in a rush, that is, from when the load is twice what the ready pods are to
carry until it has not been so for a whole window; then pods are added at once and none is stopped.

Fewer pods come only when they were enough for the whole delay, and never while a ready pod does
not say what it does: what is unknown counts as busy. Where the direction has changed, it does not
change again for a whole window. Bounds, sleep and wake are not such changes: a person or a client
asks for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Final

from modelyard_api.v1alpha1 import Scaling
from modelyard_operator.scaling.wording import say_load, say_seconds

_RUSH_FACTOR: Final = 2
_RUSH_SHARE: Final = 0.1
_RUSH_SECONDS: Final = 2.0
#: A load counts in a rush when it has lasted this long, so that one odd sample does nothing.
_LASTING_SECONDS: Final = 2.0
#: After a longer pause between decisions nothing is known of the time before.
_PAUSE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What the spec says, within the platform's limit. `idle_seconds` None: never sleeps."""

    least: int
    most: int
    target: int
    window_seconds: float
    delay_seconds: float
    idle_seconds: float | None = None

    @property
    def rush_seconds(self) -> float:
        """The window that counts in a rush."""
        return max(self.window_seconds * _RUSH_SHARE, _RUSH_SECONDS)


def build_rule(scaling: Scaling, limit: int) -> Rule:
    """Return the rule of a spec; `limit` is the most pods that the platform allows."""
    most = min(max(scaling.max, scaling.min), limit)
    return Rule(
        least=min(scaling.min, most),
        most=most,
        target=scaling.target.in_flight,
        window_seconds=scaling.window_seconds,
        delay_seconds=scaling.scale_down_delay_seconds,
        idle_seconds=scaling.idle_after_seconds,
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at all ready pods: requests in flight, summed over those that answered.

    `served` is how many requests they have answered since the look before.
    """

    at: float
    in_flight: float
    ready: int
    answered: int
    served: int = 0

    @property
    def is_whole(self) -> bool:
        """There are ready pods, and all of them answered."""
        return self.answered == self.ready > 0

    @property
    def is_busy(self) -> bool:
        """Requests are, or just were, on their way through a pod."""
        return self.in_flight > 0 or self.served > 0

    def count_most(self, target: int) -> float:
        """Return the load if the pods that did not answer carry what they are to carry."""
        return self.in_flight + (self.ready - self.answered) * target


@dataclass(frozen=True, slots=True)
class Memory:
    """What one decision leaves for the next.

    `enough` holds the needs of the delay that no later one exceeds: time and pods, so that the
    first is their maximum. `direction` is that of the last change, `turned_at` when it was another
    than before.
    """

    since: float = inf
    seen_at: float = -inf
    busy_at: float = inf
    rush_until: float = -inf
    enough: tuple[tuple[float, int], ...] = ()
    direction: int = 0
    turned_at: float = -inf


@dataclass(frozen=True, slots=True)
class Decision:
    """How many pods there are to be, why (empty: no change), and what to remember."""

    replicas: int
    why: str
    memory: Memory


def decide(
    rule: Rule,
    samples: Sequence[Sample],
    memory: Memory,
    *,
    current: int,
    waiting: int,
    now: float,
) -> Decision:
    """Decide. `samples` are those of the window, the newest last; `waiting` is at gateways."""
    if current == 0:
        return _wake(rule, waiting, now)
    latest = samples[-1] if samples and samples[-1].at > now - _PAUSE_SECONDS else None
    memory = _remember(rule, samples, latest, memory, current=current, waiting=waiting, now=now)
    bounded = min(max(current, rule.least), rule.most)
    if bounded != current:
        name, bound = ("max", rule.most) if bounded < current else ("min", rule.least)
        return Decision(bounded, f"spec.scaling.{name} is {bound}", memory)
    if latest is None:
        return Decision(current, "", memory)
    if _is_idle(rule, latest, memory, waiting, now):
        asleep = f"no requests for {say_seconds(rule.idle_seconds or 0)}"
        return Decision(0, asleep, Memory())
    for found in (
        _grow(rule, samples, latest, memory, current=current, waiting=waiting, now=now),
        _shrink(rule, samples, latest, memory, current=current, waiting=waiting, now=now),
    ):
        if found is not None:
            return found
    return Decision(current, "", memory)


def _wake(rule: Rule, waiting: int, now: float) -> Decision:
    if waiting:
        wanted = min(max(rule.least, _count_pods(rule, waiting)), rule.most)
        why = f"{say_load(waiting)} waiting at the gateway, {rule.target} each"
        return Decision(wanted, why, Memory(since=now, seen_at=now, busy_at=now))
    if rule.idle_seconds is None:
        return Decision(rule.least, f"spec.scaling.min is {rule.least}", Memory())
    return Decision(0, "", Memory())


def _remember(
    rule: Rule,
    samples: Sequence[Sample],
    latest: Sample | None,
    memory: Memory,
    *,
    current: int,
    waiting: int,
    now: float,
) -> Memory:
    if now - memory.seen_at > _PAUSE_SECONDS:
        memory = Memory(since=now, busy_at=now)
    # While no pod is ready nothing is known, so that all there are may be needed.
    is_known = latest is not None and latest.ready > 0
    needed = _count_pods(rule, _average_most(rule, samples, now)) if is_known else current
    if latest is not None and _is_rush(rule, samples, latest, now):
        memory = replace(memory, rush_until=now + rule.window_seconds)
    is_idle_so_far = is_known and latest is not None and not latest.is_busy and not waiting
    return replace(
        memory,
        seen_at=now,
        busy_at=memory.busy_at if is_idle_so_far else now,
        enough=_keep_highest(memory.enough, (now, needed), now - rule.delay_seconds),
    )


def _is_rush(rule: Rule, samples: Sequence[Sample], latest: Sample, now: float) -> bool:
    lasting = _find_lasting(rule, samples, now)
    return latest.ready > 0 and lasting >= _RUSH_FACTOR * latest.ready * rule.target


def _is_idle(rule: Rule, latest: Sample, memory: Memory, waiting: int, now: float) -> bool:
    if rule.idle_seconds is None or not latest.is_whole or latest.is_busy or waiting:
        return False
    return now - memory.busy_at >= rule.idle_seconds


def _grow(
    rule: Rule,
    samples: Sequence[Sample],
    latest: Sample,
    memory: Memory,
    *,
    current: int,
    waiting: int,
    now: float,
) -> Decision | None:
    load, where = _average_least(rule, samples, now), "in flight"
    if now < memory.rush_until:
        load = max(load, _find_lasting(rule, samples, now))
    if not latest.ready and waiting > load:
        load, where = waiting, "waiting at the gateway"
    wanted = min(_count_pods(rule, load), rule.most)
    if wanted <= current or not _may_go(rule, memory, 1, now):
        return None
    why = f"{say_load(load)} {where}, {rule.target} each"
    return Decision(wanted, why, _turn(memory, 1, now))


def _shrink(
    rule: Rule,
    samples: Sequence[Sample],
    latest: Sample,
    memory: Memory,
    *,
    current: int,
    waiting: int,
    now: float,
) -> Decision | None:
    watched = max(rule.delay_seconds, rule.window_seconds)
    if not latest.is_whole or waiting or now < memory.rush_until or now - memory.since < watched:
        return None
    wanted = max(memory.enough[0][1], rule.least)
    if wanted >= current or not _may_go(rule, memory, -1, now):
        return None
    load = _average_most(rule, samples, now)
    why = f"{say_load(load)} in flight, {rule.target} each"
    if rule.delay_seconds:
        why += f"; no more pods were needed for {say_seconds(rule.delay_seconds)}"
    return Decision(wanted, why, _turn(memory, -1, now))


def _count_pods(rule: Rule, load: float) -> int:
    return ceil(load / rule.target)


def _average_least(rule: Rule, samples: Sequence[Sample], now: float) -> float:
    """Return the average of what is known for sure."""
    since = now - rule.window_seconds
    return _average([each.in_flight for each in samples if each.answered and each.at > since])


def _average_most(rule: Rule, samples: Sequence[Sample], now: float) -> float:
    since = now - rule.window_seconds
    known = [each.count_most(rule.target) for each in samples if each.ready and each.at > since]
    return _average(known)


def _find_lasting(rule: Rule, samples: Sequence[Sample], now: float) -> float:
    """Return the highest load of the rush's window that lasted."""
    since = now - rule.rush_seconds
    known = [each for each in samples if each.answered and each.at > since - _LASTING_SECONDS]
    lasting = (_average(_look_back(known, each.at)) for each in known if each.at > since)
    return max(lasting, default=0.0)


def _look_back(known: Sequence[Sample], at: float) -> list[float]:
    return [each.in_flight for each in known if at - _LASTING_SECONDS < each.at <= at]


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _keep_highest(
    kept: tuple[tuple[float, int], ...], new: tuple[float, int], since: float
) -> tuple[tuple[float, int], ...]:
    higher = tuple(each for each in kept if each[0] >= since and each[1] > new[1])
    return (*higher, new)


def _may_go(rule: Rule, memory: Memory, direction: int, now: float) -> bool:
    is_turn = memory.direction not in {0, direction}
    return not is_turn or now - memory.turned_at >= rule.window_seconds


def _turn(memory: Memory, direction: int, now: float) -> Memory:
    if memory.direction in {0, direction}:
        return replace(memory, direction=direction)
    return replace(memory, direction=direction, turned_at=now)
