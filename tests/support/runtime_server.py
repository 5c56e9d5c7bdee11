"""The runtime's applications around a scripted engine: in memory, or on real ports."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from modelyard_api.serving import AdapterConfig, ServingConfig
from modelyard_runtime.access.gate import Gate
from modelyard_runtime.accounts.bookkeeping import Bookkeeper
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.grpc_listening import GrpcListener
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.listening import Listener, bind_port
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.server import build_app, build_internal_app
from modelyard_runtime.settings import Settings

MODEL = "tiny"


def build_life(
    engine: GenerationEngine | BatchEngine | None, adapters: Sequence[AdapterConfig] = ()
) -> Lifecycle:
    """Return a ready process's state; without an engine, one that still loads."""
    life = Lifecycle(ServingConfig(model_name=MODEL, adapters=tuple(adapters)))
    if engine is not None:
        life.finish_load(engine, seconds=1.5)
        life.finish_warmup(seconds=0.5, total_seconds=3.0)
    return life


def build_client(
    engine: GenerationEngine | BatchEngine | None = None,
    *,
    life: Lifecycle | None = None,
    settings: Settings | None = None,
) -> httpx.AsyncClient:
    """Return a client of the serving port that needs no port. It sees streams only as a whole."""
    life = life or build_life(engine)
    app = build_app(life, Metrics(life), settings or Settings())
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://runtime",
    )


@dataclass
class Records:
    """A sink that keeps what it is given."""

    all: list[Mapping[str, Any]] = field(default_factory=list)

    def put(self, record: Mapping[str, Any]) -> None:
        self.all.append(record)


@dataclass(frozen=True)
class Running:
    """A server on real ports."""

    life: Lifecycle
    public: Listener
    internal: Listener
    grpc: GrpcListener

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc.port_number}"

    @property
    def port(self) -> int:
        return self.public.port_number

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.internal.port_number}"


@asynccontextmanager
async def running(
    engine: GenerationEngine | BatchEngine | None,
    *,
    settings: Settings | None = None,
    gate: Gate | None = None,
    records: Records | None = None,
    speaks_grpc: bool = False,
    adapters: Sequence[AdapterConfig] = (),
) -> AsyncIterator[Running]:
    """Serve on loopback ports of the system's choice."""
    settings = (settings or Settings()).model_copy(update={"host": "127.0.0.1", "grpc_port": 0})
    life, gate = build_life(engine, adapters), gate or Gate()
    metrics = Metrics(life)
    bookkeeper = Bookkeeper(records, metrics, revision="r1", is_auditing=True) if records else None
    app = build_app(life, metrics, settings, keys=gate.keys, bookkeeper=bookkeeper)
    server = Running(
        life,
        Listener(app, bind_port("127.0.0.1", 0), tls=gate.tls),
        Listener(build_internal_app(life, metrics), bind_port("127.0.0.1", 0)),
        GrpcListener(app, settings, certificate=gate.certificate),
    )
    await server.public.open()
    await server.internal.open()
    if speaks_grpc:
        await server.grpc.open()
    try:
        yield server
    finally:
        await server.public.abort()
        await server.internal.abort()
        await server.grpc.abort()
