"""What the watch of ModelDeployments has told, and what it ought to have told."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from modelyard_api.meta import ANNOTATION_RETRY
from modelyard_operator.records import Key
from modelyard_operator.workqueue import Priority

Json = dict[str, Any]


class Stamp(NamedTuple):
    """What of an object must change for us to look at it again; our own status writes do not."""

    uid: str
    generation: int
    is_leaving: bool
    retry: str = ""
    demand: str = ""


def read_stamp(metadata: Mapping[str, Any], demand: Json | None = None) -> Stamp:
    """Return the stamp of an object by its metadata, and what gateways hold, if that is known.

    The audit does not know it, and need not: a gateway says it again while it holds anything.
    """
    retry = (metadata.get("annotations") or {}).get(ANNOTATION_RETRY, "")
    leaving = "deletionTimestamp" in metadata
    held = orjson.dumps(demand, option=orjson.OPT_SORT_KEYS).decode() if demand else ""
    return Stamp(metadata["uid"], metadata.get("generation", 0), leaving, retry, held)


class Intake:
    """Turns events into keys, each change once, and keeps what the audit compares with."""

    def __init__(self, add: Callable[[Key, Priority], None]) -> None:
        self._add = add
        self._seen: dict[Key, Stamp] = {}
        self._owed: dict[Key, Stamp] = {}

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def staying(self) -> int:
        """How many objects are there and are not being deleted."""
        return sum(not stamp.is_leaving for stamp in self._seen.values())

    @property
    def owed(self) -> int:
        """How many objects the audit found changed without having heard of it."""
        return len(self._owed)

    def take(self, key: Key, stamp: Stamp, priority: Priority) -> None:
        """Take in an event. Events of the first list are less urgent than a person's change."""
        self._owed.pop(key, None)
        if self._seen.get(key) != stamp:
            self._seen[key] = stamp
            self._add(key, priority)

    def take_gone(self, key: Key) -> None:
        """Take in a deletion."""
        self._owed.pop(key, None)
        self._seen.pop(key, None)
        self._add(key, Priority.HIGH)

    def snapshot(self) -> frozenset[Key]:
        """Return the keys known before a list is asked for."""
        return frozenset(self._seen)

    def compare(self, before: frozenset[Key], listed: Mapping[Key, Stamp]) -> bool:
        """Make good for events that did not come; False when the watch is beyond doubt dead.

        It is when an event that was missing at the last comparison has still not come.
        """
        is_alive = not any(listed.get(key) == stamp for key, stamp in self._owed.items())
        self._owed.clear()
        for key in before - listed.keys():
            if self._seen.pop(key, None) is not None:
                self._add(key, Priority.NORMAL)
        for key, stamp in listed.items():
            if _is_news(self._seen.get(key), stamp):
                self._seen[key] = self._owed[key] = stamp
                self._add(key, Priority.NORMAL)
        return is_alive


def _is_news(seen: Stamp | None, listed: Stamp) -> bool:
    if seen is None or seen.uid != listed.uid:
        return True
    # The event of a change made after the list may have come before the list was read.
    if listed.generation == seen.generation and listed.retry != seen.retry:
        return True
    return (listed.generation, listed.is_leaving) > (seen.generation, seen.is_leaving)
