"""kopf: watches ModelDeployments and hands their keys over. The only module that knows it.

Only low-level event handlers are used. The high-level ones keep state in the object's
annotations, add a finalizer, and write three times for every object.
"""

from collections.abc import Awaitable, Callable, Iterator
from random import uniform
from typing import Any

import kopf

from modelyard_api.meta import GROUP, PLURAL, VERSION
from modelyard_kube.transport import Login
from modelyard_operator.intake import Intake, read_stamp
from modelyard_operator.records import Key
from modelyard_operator.workqueue import Priority

_MAX_BACKOFF_SECONDS = 15.0


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

    def __iter__(self) -> Iterator[float]:
        ceiling = 1.0
        while True:
            yield uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not cryptography
            ceiling = min(ceiling * 2, _MAX_BACKOFF_SECONDS)


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: no writes of its own, bounded requests, watches that are renewed."""
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
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Patience()
    settings.process.ultimate_exiting_timeout = 25
    return settings


def build_registry(intake: Intake, login: Callable[[], Awaitable[Login]]) -> kopf.OperatorRegistry:
    """Return the handlers: events become keys, and kopf logs in as our own client does."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        found = await login()
        return kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_path,
            insecure=found.insecure,
            certificate_path=found.certificate_path,
            private_key_path=found.private_key_path,
            scheme=found.scheme,
            token=found.token,
            proxy_url=found.proxy,
        )

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def take_event(event: kopf.RawEvent, **_: Any) -> None:
        metadata = event["object"]["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if event["type"] == "DELETED":
            intake.take_gone(key)
            return
        # kopf gives objects of its own list no type.
        priority = Priority.LOW if event["type"] is None else Priority.HIGH
        intake.take(key, read_stamp(metadata), priority)

    return registry
