"""Kubernetes Events: few, repeated ones counted, and never in the way of anything."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError
from modelyard_kube.resources import EVENTS

logger = logging.getLogger(__name__)

_MAX_NOTE_BYTES = 1024  # the API server's own bound
_ACTION = "Reconcile"
_MAX_SERIES = 4096
_MAX_WAITING = 1000
#: A message repeated within this time is only counted.
_QUIET_SECONDS = 60.0
#: At most this many posts for one object within _BUDGET_SECONDS.
_BUDGET = 12
_BUDGET_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened. `reason` is CamelCase, `message` a sentence."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(slots=True)
class _Series:
    first: datetime
    posted: datetime
    count: int = 1


@dataclass(slots=True)
class _Budget:
    since: datetime
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """An Event to be written: the first of its series, or its count."""

    manifest: dict[str, Any]
    is_first: bool


@dataclass(slots=True)
class Aggregator:
    """Decides which notices become writes. Pure: the time comes in.

    Names of Events begin with their time: `kubectl describe` shows those of this API in the order
    of their names.
    """

    component: str
    instance: str
    _series: OrderedDict[str, _Series] = field(default_factory=OrderedDict)
    _budgets: OrderedDict[str, _Budget] = field(default_factory=OrderedDict)

    def decide(self, subject: Subject, notice: Notice, now: datetime) -> Post | None:
        """Return what to write, or None when the notice is only counted or over the budget."""
        key = _digest(subject, notice)
        series = self._series.pop(key, None)
        if series is None:
            series = _Series(first=now, posted=now)
            is_first, is_due = True, True
        else:
            series.count += 1
            is_first = False
            is_due = (now - series.posted).total_seconds() >= _QUIET_SECONDS
        _remember(self._series, key, series)
        if not is_due or not self._spend(subject.uid, now):
            return None
        series.posted = now
        name = f"{subject.name}.{_count_microseconds(series.first):x}{key}"
        return Post(self._build(subject, notice, name, series, now), is_first)

    def _spend(self, uid: str, now: datetime) -> bool:
        budget = self._budgets.pop(uid, None)
        if budget is None or (now - budget.since).total_seconds() >= _BUDGET_SECONDS:
            budget = _Budget(since=now)
        budget.spent += 1
        _remember(self._budgets, uid, budget)
        return budget.spent <= _BUDGET

    def _build(
        self, subject: Subject, notice: Notice, name: str, series: _Series, now: datetime
    ) -> dict[str, Any]:
        manifest: dict[str, Any] = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": subject.namespace},
            "regarding": {
                "apiVersion": subject.api_version,
                "kind": subject.kind,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
            },
            "type": notice.type,
            "reason": notice.reason,
            "action": _ACTION,
            "note": _clip(notice.message),
            "eventTime": _format(series.first),
            "reportingController": self.component,
            "reportingInstance": self.instance,
        }
        if series.count > 1:
            manifest["series"] = {"count": series.count, "lastObservedTime": _format(now)}
        return manifest


def _read_clock() -> datetime:
    return datetime.now(UTC)


class EventRecorder:
    """Posts Events in the background. What does not fit into its queue is dropped and counted."""

    def __init__(
        self,
        client: KubeClient,
        *,
        component: str,
        instance: str,
        now: Callable[[], datetime] = _read_clock,
    ) -> None:
        self.dropped = 0
        self._client = client
        self._now = now
        self._aggregator = Aggregator(component=component, instance=instance)
        self._waiting: asyncio.Queue[Post] = asyncio.Queue(_MAX_WAITING)

    def emit(self, subject: Subject, notice: Notice) -> None:
        """Tell of something; returns at once and never fails."""
        post = self._aggregator.decide(subject, notice, self._now())
        if post is None:
            return
        try:
            self._waiting.put_nowait(post)
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Post until cancelled. An Event is a courtesy: a failed one is not tried again."""
        while True:
            post = await self._waiting.get()
            try:
                await self._post(post)
            except ClusterError as error:
                self.dropped += 1
                logger.info("event not posted: %s", error)
            finally:
                self._waiting.task_done()

    async def flush(self, limit_seconds: float) -> None:
        """Wait until everything told so far has been posted, but not longer than that."""
        try:
            async with asyncio.timeout(limit_seconds):
                await self._waiting.join()
        except TimeoutError:
            logger.info("events not posted in time: %d", self._waiting.qsize())

    async def _post(self, post: Post) -> None:
        if post.is_first:
            await self._client.create(EVENTS, post.manifest)
            return
        metadata, series = post.manifest["metadata"], post.manifest["series"]
        await self._client.merge_patch(
            EVENTS, metadata["namespace"], metadata["name"], {"series": series}
        )


def _digest(subject: Subject, notice: Notice) -> str:
    text = f"{subject.uid}\0{notice.type}\0{notice.reason}\0{notice.message}"
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _count_microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _remember(entries: OrderedDict[str, Any], key: str, value: object) -> None:
    entries[key] = value
    if len(entries) > _MAX_SERIES:
        entries.popitem(last=False)


def _format(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _clip(text: str) -> str:
    return text.encode()[:_MAX_NOTE_BYTES].decode(errors="ignore")
