"""Events of a model and of what belongs to it, merged into one story: pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from modelyard_api.meta import KIND
from modelyard_cli.plugin.text import clean, clean_message, clip, read_time

Json = dict[str, Any]

_SHOWN: Final = 15
_LONGEST: Final = 300
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
#: What kubectl calls the kinds; the others by their name in lower case.
_KINDS: Final = {KIND: "mdl", "HorizontalPodAutoscaler": "hpa"}
#: Kinds of which a model has several, told apart by the end of their name.
_MANY: Final = frozenset({"Pod", "ReplicaSet"})


@dataclass(frozen=True, slots=True)
class Family:
    """The objects whose events belong to the story.

    Pods and their events outlive each other, so pods are known by the ReplicaSets that made them.
    """

    name: str
    uid: str
    replica_sets: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()

    def has(self, kind: str, name: str, uid: str) -> bool:
        """Whether an event's object is one of them. A namesake from before is not."""
        if kind == KIND:
            return (name, uid) == (self.name, self.uid)
        if kind == "Pod":
            return name in self.pods or name.rpartition("-")[0] in self.replica_sets
        if kind == "ReplicaSet":
            return name in self.replica_sets
        return name == self.name and kind in {"Deployment", "HorizontalPodAutoscaler"}


@dataclass(frozen=True, slots=True)
class Line:
    """What happened, how often, and to whom."""

    last: datetime
    is_warning: bool
    reason: str
    message: str
    objects: tuple[str, ...]
    count: int


def tell_story(events: Iterable[Json], family: Family, *, shown: int = _SHOWN) -> list[Line]:
    """Return the newest lines, in the order of time, the same words of several objects as one."""
    merged: dict[tuple[str, str, str], Line] = {}
    for event in events:
        regarding = event.get("regarding") or {}
        kind, name = regarding.get("kind", ""), regarding.get("name", "")
        if not family.has(kind, name, regarding.get("uid", "")):
            continue
        line = _parse_line(event, kind, name)
        key = (kind, line.reason, line.message)
        merged[key] = _merge(merged[key], line) if key in merged else line
    return sorted(merged.values(), key=lambda line: (line.last, line.objects))[-shown:]


def tell_objects(names: Collection[str]) -> str:
    """Return one name, or one and how many more."""
    first, *others = names
    return f"{first} and {len(others)} more" if others else first


def _parse_line(event: Json, kind: str, name: str) -> Line:
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    last = next((time for text in times if text and (time := read_time(text))), _EPOCH)
    return Line(
        last=last,
        is_warning=event.get("type") == "Warning",
        reason=clean(event.get("reason") or ""),
        message=clip(clean_message(event.get("note") or ""), _LONGEST),
        objects=(_name_object(kind, clean(name)),),
        count=series.get("count") or event.get("deprecatedCount") or 1,
    )


def _name_object(kind: str, name: str) -> str:
    called = _KINDS.get(kind, kind.lower())
    return f"{called} …{name.rpartition('-')[2]}" if kind in _MANY else called


def _merge(known: Line, line: Line) -> Line:
    objects = tuple(sorted({*known.objects, *line.objects}))
    count = known.count + line.count
    return replace(known, last=max(known.last, line.last), objects=objects, count=count)
