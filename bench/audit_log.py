"""Reads the API server's audit log: who asked for what, when, and how long it took.

It is the one source of the operator's figures. Its times have microseconds, where the creation
time of an object has whole seconds, and nobody has to be asked to tell the truth about himself.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
#: A watch lasts as long as its server lets it, which says nothing about anybody's work.
LASTING = frozenset({"watch", "connect"})
#: Renewed by the clock, whatever happens to objects: kept apart from what objects cost.
LEASES = "leases"

CREATED = 201

Name = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request. Times are seconds since the epoch."""

    user: str
    verb: str
    resource: str  # with its subresource: modeldeployments/status
    name: Name
    code: int
    received: float
    answered: float

    @property
    def title(self) -> str:
        """What it did, as a column of a table says it."""
        return f"{self.verb} {self.resource}"

    @property
    def is_write(self) -> bool:
        """Whether its verb changes something; one that changed nothing is a write as well."""
        return self.verb in WRITING


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, seconds since the epoch."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin

    def holds(self, request: Request) -> bool:
        """Whether the request came in within it."""
        return self.begin <= request.received < self.end


class AuditLog:
    """An audit log that is being written; `read` returns all requests so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._requests: list[Request] = []
        self._offset = 0

    def read(self) -> list[Request]:
        """Read what was added since the last call; half a line waits for its other half."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._requests += parse_requests(whole.decode().splitlines())
        return self._requests


def parse_requests(lines: Iterable[str]) -> list[Request]:
    """Return the answered requests about objects; non-resource URLs and open watches are left out.

    Raises:
        ValueError: a line is no audit event.
    """
    events = (json.loads(line) for line in lines)
    return [
        _parse(event)
        for event in events
        if event["stage"] == "ResponseComplete" and "objectRef" in event
    ]


def find_creations(requests: Iterable[Request], resource: str) -> dict[Name, float]:
    """Return when each object of a resource was there: its creation was answered."""
    return {
        request.name: request.answered
        for request in requests
        if request.resource == resource and request.code == CREATED and request.is_write
    }


def measure_creations(
    requests: Iterable[Request], *, owner: str, child: str, names: Iterable[Name]
) -> list[float]:
    """Return the seconds from the answer to an owner's creation to that of its child's.

    Both have the same name. The owner's answer may be logged after its child's creation: the
    watch can be quicker than the answer. That is a time of zero or less, and stays one.

    Raises:
        KeyError: one of them was never created.
    """
    known = list(requests)
    owners, children = find_creations(known, owner), find_creations(known, child)
    return [children[name] - owners[name] for name in names]


def measure_rate(
    requests: Iterable[Request], *, owner: str, child: str, names: Iterable[Name]
) -> float:
    """Return children per second, from the first owner's creation to the last child's.

    Raises:
        KeyError: one of them was never created.
    """
    known, wanted = list(requests), list(names)
    owners, children = find_creations(known, owner), find_creations(known, child)
    seconds = max(children[name] for name in wanted) - min(owners[name] for name in wanted)
    return round(len(wanted) / seconds, 2)


def count_per_object(
    requests: Iterable[Request], *, user: str, window: Window, objects: int, writes: bool
) -> dict[str, float]:
    """Return a user's writes, or what it read, per object, by verb and resource.

    What was asked for fewer than five times in a thousand objects is left out.
    """
    counted = Counter(
        request.title
        for request in requests
        if request.user == user
        and window.holds(request)
        and request.is_write == writes
        and request.verb not in LASTING
        and request.resource != LEASES
    )
    rounded = {title: round(count / objects, 2) for title, count in sorted(counted.items())}
    return {title: value for title, value in rounded.items() if value}


def count_writes(requests: Iterable[Request], *, user: str, window: Window) -> tuple[int, int]:
    """Return how often a user wrote in a window: to leases, and to anything else."""
    writes = [
        request.resource == LEASES
        for request in requests
        if request.user == user and request.is_write and window.holds(request)
    ]
    return sum(writes), len(writes) - sum(writes)


def find_last_write(requests: Iterable[Request], *, user: str) -> float:
    """Return when a user's last write was answered, leases aside; 0 if there was none."""
    return max(
        (
            request.answered
            for request in requests
            if request.user == user and request.is_write and request.resource != LEASES
        ),
        default=0.0,
    )


def _parse(event: Mapping[str, Any]) -> Request:
    about = event["objectRef"]
    parts = (about.get("resource", ""), about.get("subresource", ""))
    return Request(
        # Who is refused before being known has no name.
        user=event["user"].get("username", ""),
        verb=event["verb"],
        resource="/".join(part for part in parts if part),
        name=(about.get("namespace", ""), about.get("name", "")),
        code=event.get("responseStatus", {}).get("code", 0),
        received=_parse_time(event["requestReceivedTimestamp"]),
        answered=_parse_time(event["stageTimestamp"]),
    )


def _parse_time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
