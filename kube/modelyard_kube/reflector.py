"""Reflector: a cache of slim records of one resource type, kept true by list and watch.

It never holds a body: a projection turns each object into a small frozen record, and only a
change of the record is told on. Deletions missed while the watch was away are found by comparing
a new list with what was known, which kopf's own watcher does not do.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import orjson

from modelyard_kube.backoff import Backoff
from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError, parse_status
from modelyard_kube.resources import Resource

logger = logging.getLogger(__name__)

_NOT_FOUND = 404
_GONE = 410


class Record(Protocol):
    """What a projection returns: frozen, compared without its resource version."""

    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def resource_version(self) -> str: ...  # noqa: D102


R = TypeVar("R", bound=Record)
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What a reflector reads, and how. Bookmarks come every minute: silence is a dead watch.

    A type that `may_be_missing` has no objects while there is no such type; it is looked for again
    after `missing_seconds`.
    """

    selector: str = ""
    page_size: int = 500
    server_seconds: int = 290
    silence_seconds: float = 90.0
    relist_seconds: float = 900.0
    may_be_missing: bool = False
    missing_seconds: float = 30.0


class Reflector(Generic[R]):
    """All objects of a type and label selector, as records, by name and by one index.

    `on_change(old, new)` is called in the event loop for each record that appeared (old is
    None), changed, or went (new is None). It must not block.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        *,
        project: Callable[[dict[str, Any]], R],
        index: Callable[[R], Hashable],
        on_change: Callable[[R | None, R | None], None],
        backoff: Backoff,
        settings: WatchSettings,
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self.last_active = monotonic()
        self._client = client
        self._project = project
        self._index = index
        self._on_change = on_change
        self._backoff = backoff
        self._settings = settings
        self._records: dict[Name, R] = {}
        self._groups: dict[Hashable, dict[Name, R]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, namespace: str, name: str) -> R | None:
        """Return a record, None when no such object is known."""
        return self._records.get((namespace, name))

    def select(self, index: Hashable) -> tuple[R, ...]:
        """Return the records that the index puts together."""
        return tuple(self._groups.get(index, {}).values())

    def note(self, body: dict[str, Any]) -> R:
        """Take in the answer to our own write, so that nobody decides from a world before it."""
        record = self._project(body)
        known = self._records.get((record.namespace, record.name))
        if known is None or _is_newer(record, known.resource_version):
            self._store(record)
        return record

    def discard(self, namespace: str, name: str) -> None:
        """Forget a record that the API server contradicts; the next event or list brings it."""
        if (namespace, name) in self._records:
            self._unindex((namespace, name))
            del self._records[namespace, name]

    async def run(self) -> None:
        """List and watch until cancelled; whatever fails is tried again."""
        while True:
            try:
                since = await self._list()
                await self._watch_until_stale(since)
            except ClusterError as error:
                self.last_active = monotonic()
                if error.status == _NOT_FOUND and self._settings.may_be_missing:
                    self._replace({}, "")
                    self.synced.set()
                    await asyncio.sleep(self._backoff.spread(self._settings.missing_seconds))
                    continue
                logger.warning("list of %s failed: %s", self.resource.plural, error)
                await asyncio.sleep(self._backoff.next(error.retry_after))

    async def _list(self) -> str:
        listed: dict[Name, R] = {}
        since = ""
        async for page in self._client.list(
            self.resource, selector=self._settings.selector, page_size=self._settings.page_size
        ):
            since = page.resource_version
            for body in page.items:
                record = self._project(body)
                listed[record.namespace, record.name] = record
        self._replace(listed, since)
        self.last_active = monotonic()
        self._backoff.reset()
        self.synced.set()
        return since

    def _replace(self, listed: dict[Name, R], since: str) -> None:
        for name, known in list(self._records.items()):
            # A record newer than the list is of our own write, made while the list was read.
            if name not in listed and not _is_newer(known, since):
                self._drop(name)
        self._take_all(listed.values())

    def _take_all(self, records: Iterable[R]) -> None:
        for record in records:
            self._take(record)

    async def _watch_until_stale(self, since: str) -> None:
        """Watch, reconnecting from the last version seen, until a list is due or needed."""
        relist_at = monotonic() + self._backoff.spread(self._settings.relist_seconds)
        while monotonic() < relist_at:
            try:
                since = await self._watch(since)
                # A server that ends each watch at once must not be asked in a hot loop.
                await asyncio.sleep(self._backoff.next())
            except ClusterError as error:
                if error.status in {_GONE, _NOT_FOUND}:
                    return
                logger.info("watch of %s ended: %s", self.resource.plural, error)
                self.last_active = monotonic()
                await asyncio.sleep(self._backoff.next(error.retry_after))

    async def _watch(self, since: str) -> str:
        async with self._client.watch(
            self.resource,
            selector=self._settings.selector,
            since=since,
            server_seconds=round(self._backoff.spread(self._settings.server_seconds)),
            silence_seconds=self._settings.silence_seconds,
        ) as lines:
            while line := await lines.read():
                event_type, body, since = _parse_event(line)
                self._handle(event_type, body)
        return since

    def _handle(self, event_type: str, body: dict[str, Any]) -> None:
        self.last_active = monotonic()
        self._backoff.reset()
        if event_type == "BOOKMARK":
            return
        record = self._project(body)
        if event_type == "DELETED":
            known = self._records.get((record.namespace, record.name))
            if known is not None and not _is_newer(known, record.resource_version):
                self._drop((record.namespace, record.name))
        else:
            self._take(record)

    def _take(self, record: R) -> None:
        name = (record.namespace, record.name)
        known = self._records.get(name)
        if known is not None and _is_newer(known, record.resource_version):
            return
        self._store(record)
        if known != record:
            self._on_change(known, record)

    def _store(self, record: R) -> None:
        name = (record.namespace, record.name)
        self._unindex(name)
        self._records[name] = record
        self._groups.setdefault(self._index(record), {})[name] = record

    def _drop(self, name: Name) -> None:
        self._unindex(name)
        self._on_change(self._records.pop(name), None)

    def _unindex(self, name: Name) -> None:
        known = self._records.get(name)
        if known is None:
            return
        group = self._groups[self._index(known)]
        del group[name]
        if not group:
            del self._groups[self._index(known)]


def _parse_event(line: bytes) -> tuple[str, dict[str, Any], str]:
    """Return an event's type, object and version; an ERROR is raised, and so is what is none."""
    try:
        event = orjson.loads(line)
        event_type, body = event["type"], event["object"]
        if event_type != "ERROR":
            return event_type, body, body["metadata"]["resourceVersion"]
        arguments = parse_status(int(body["code"]), {"kind": "Status", **body}, None)
    except (ValueError, KeyError, TypeError) as error:  # torn, by whatever stands in between
        raise ClusterError(f"unreadable event: {error!r}") from error
    raise ClusterError(**arguments)


def _is_newer(record: Record, version: str) -> bool:
    # Resource versions of one type compare as integers (promised since Kubernetes 1.35, and true
    # of etcd's revisions before). From any other server, what came last counts.
    try:
        return int(record.resource_version) > int(version)
    except ValueError:
        return False
