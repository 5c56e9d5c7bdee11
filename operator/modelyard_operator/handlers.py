"""kopf: watches ModelDeployments and hands their keys over. The only module that knows it.

Only low-level event handlers are used. The high-level ones keep state in the object's
annotations, add a finalizer, and write three times for every object.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from random import uniform
from time import monotonic
from typing import Any

import kopf

from modelyard_api.meta import GROUP, PLURAL, VERSION
from modelyard_kube.transport import Login
from modelyard_operator.cluster import MODELS
from modelyard_operator.errors import WatchLost
from modelyard_operator.intake import Intake, read_stamp
from modelyard_operator.records import Key
from modelyard_operator.watch_session import WatchSessions
from modelyard_operator.workqueue import Priority

logger = logging.getLogger(__name__)

#: From its start kopf looks for the API, once, and in silence watches nothing if it finds none.
_SEARCH_SECONDS = 30.0
_END_SECONDS = 5.0


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-handled state, and spares the deep copy of every object in every event."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


class _Patience:
    """Waits for kopf's requests that never give up: an API server that is away comes back."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds

    def __iter__(self) -> Iterator[float]:
        ceiling = 1.0
        while True:
            yield uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not cryptography
            ceiling = min(ceiling * 2, self._max_seconds)


def build_settings(silence_seconds: float, patience_seconds: float) -> kopf.OperatorSettings:
    """Return kopf's settings: no writes of its own, bounded requests, watches that are renewed.

    A watch that is silent for `silence_seconds`, without even a bookmark, is opened anew. An API
    server that is away is asked again at least every `patience_seconds`.
    """
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 2.0
    settings.watching.server_timeout = 290
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = silence_seconds
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Patience(patience_seconds)
    settings.process.ultimate_exiting_timeout = 25
    return settings


def build_registry(
    intake: Intake, login: Callable[[], Awaitable[Login]], sessions: WatchSessions
) -> kopf.OperatorRegistry:
    """Return the handlers: events become keys, and kopf logs in as our own client does."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login", backoff=5)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        found = await login()
        info = kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_path,
            insecure=found.insecure,
            certificate_path=found.certificate_path,
            private_key_path=found.private_key_path,
            scheme=found.scheme,
            token=found.token,
        )
        # A session differs from the last one, so that a token that was refused may be tried
        # again: an API server whose etcd is away refuses good ones too.
        session = await sessions.open(info.as_ssl_context(), info.as_http_headers(), found.proxy)
        return kopf.AiohttpSession(server=found.server, aiohttp_session=session)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def take_event(event: kopf.RawEvent, **_: Any) -> None:
        metadata = event["object"]["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if event["type"] == "DELETED":
            intake.take_gone(key)
            return
        # kopf gives objects of its own list no type.
        priority = Priority.LOW if event["type"] is None else Priority.HIGH
        demand = (event["object"].get("status") or {}).get("demand")
        intake.take(key, read_stamp(metadata, demand), priority)

    return registry


async def watch_models(
    intake: Intake,
    login: Callable[[], Awaitable[Login]],
    *,
    silence_seconds: float,
    patience_seconds: float,
    stop: asyncio.Event,
    on_start: Callable[[], None],
) -> None:
    """Run kopf until `stop` is set. `on_start` is called when kopf has taken the signals.

    Raises:
        WatchLost: kopf has ended, or runs on and watches nothing; only a new process helps.
    """
    sessions = WatchSessions(MODELS.path(None), now=monotonic)
    started = asyncio.Event()
    operator = asyncio.ensure_future(
        kopf.operator(
            registry=build_registry(intake, login, sessions),
            settings=build_settings(silence_seconds, patience_seconds),
            clusterwide=True,
            standalone=True,
            ready_flag=started,
            stop_flag=stop,
        )
    )
    watch = asyncio.create_task(_follow_watch(sessions, started, on_start))
    try:
        await asyncio.wait({operator, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await _raise_loss(watch if watch.done() else operator)
        await operator
    finally:
        watch.cancel()
        operator.cancel()
        # When kopf ends it cancels whatever was started after it. Until then nobody may clean up.
        await asyncio.wait({operator}, timeout=_END_SECONDS)
        await sessions.close()


async def _follow_watch(
    sessions: WatchSessions, started: asyncio.Event, on_start: Callable[[], None]
) -> None:
    """Return, or fail as it does, when kopf's task that watches ends; kopf itself may not."""
    await started.wait()
    on_start()
    try:
        async with asyncio.timeout(_SEARCH_SECONDS):
            watcher = await sessions.watcher()
    except TimeoutError:
        raise WatchLost("kopf has not found the ModelDeployment API") from None
    logger.info("watching ModelDeployments")
    await asyncio.wait({watcher})
    if not watcher.cancelled():
        watcher.result()


async def _raise_loss(ended: asyncio.Task[None]) -> None:
    try:
        await ended
    except WatchLost:
        raise
    except Exception as error:
        raise WatchLost(f"the watch of ModelDeployments failed: {error!r}") from error
    raise WatchLost("the watch of ModelDeployments ended by itself")
