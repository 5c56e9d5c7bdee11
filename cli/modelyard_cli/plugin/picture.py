"""All that `explain` shows of a model, before it is written down: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard_cli.plugin.events import Family, Line, tell_story
from modelyard_cli.plugin.model import Model
from modelyard_cli.plugin.pods import LogSource, Pod, choose_log, parse_pod
from modelyard_cli.plugin.text import clean

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Readings:
    """What the API server returned, or why it did not. `children` are by kind."""

    children: Mapping[str, list[Json] | Unread]
    replica_sets: list[Json] | Unread
    pods: list[Json] | Unread
    events: list[Json] | Unread


@dataclass(frozen=True, slots=True)
class Log:
    """The end of a log."""

    source: LogSource
    text: str | Unread


@dataclass(frozen=True, slots=True)
class Picture:
    """What a person would otherwise gather with five commands."""

    model: Model
    children: Mapping[str, list[Json] | Unread]
    pods: tuple[Pod, ...] | Unread
    events: list[Line] | Unread
    log: Log | None = None

    def choose_log(self, *, is_wanted: bool) -> LogSource | None:
        """Return whose log matters, None where none does."""
        failure = self.model.status.failure
        pods = None if isinstance(self.pods, Unread) else self.pods
        return choose_log(
            pods, clean(failure.pod) if failure is not None else "", is_wanted=is_wanted
        )


def compose(model: Model, readings: Readings, now: datetime) -> Picture:
    """Return the picture, still without a log."""
    found, events = readings.pods, readings.events
    family = Family(model.name, model.uid, _list_names(readings.replica_sets), _list_names(found))
    return Picture(
        model=model,
        children=readings.children,
        pods=found if isinstance(found, Unread) else tuple(parse_pod(pod, now) for pod in found),
        events=events if isinstance(events, Unread) else tell_story(events, family),
    )


def _list_names(found: list[Json] | Unread) -> tuple[str, ...]:
    if isinstance(found, Unread):
        return ()
    return tuple(body["metadata"]["name"] for body in found)
