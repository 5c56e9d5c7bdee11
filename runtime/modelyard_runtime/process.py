"""The life of the process: open the ports, load, warm up, verify, serve, drain."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from modelyard_api.meta import Reason
from modelyard_api.report import ReportedError
from modelyard_api.serving import ServingConfig
from modelyard_runtime.access.gate import open_gate
from modelyard_runtime.access.watching import Watch
from modelyard_runtime.accounts.bookkeeping import keeping_accounts
from modelyard_runtime.asking import verify
from modelyard_runtime.doors import Doors
from modelyard_runtime.draining import ENGINE_SECONDS, close_engine, drain, give_up
from modelyard_runtime.ending import reported_error, reported_verification
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.grpc_listening import GrpcListener
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.listening import Listener, bind_port
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.reporting import process_age_seconds
from modelyard_runtime.server import build_app, build_internal_app
from modelyard_runtime.settings import Settings
from modelyard_runtime.suggesting import suggest
from modelyard_runtime.verification import Plan, parse_plan
from modelyard_runtime.warmup import warm_up

StartEngine = Callable[[ServingConfig], Awaitable[GenerationEngine | BatchEngine]]

#: Exit code when the engine dies while it serves (EX_SOFTWARE of sysexits.h): another start helps.
EXIT_ENGINE_DIED = 70

#: An engine tells of its death when asked.
_PULSE_SECONDS = 0.5

_log = logging.getLogger(__name__)


async def serve(config: ServingConfig, settings: Settings, start: StartEngine) -> int:
    """Serve the model until a signal ends it; return the exit code.

    Raises:
        CannotStart: a port is taken, a key or certificate missing, or the model does not load, or
            does not answer as it should.
    """
    # First of all: a typing error should not cost the time that a model takes to load.
    plan = parse_plan(config.verify) if config.verify is not None else None
    gate = open_gate(config.access)
    stop = _listen_for_signals()
    life = Lifecycle(config)
    metrics = Metrics(life)
    with (
        Watch(gate.looks),
        keeping_accounts(config.access, metrics, revision=settings.revision) as bookkeeper,
    ):
        app = build_app(life, metrics, settings, keys=gate.keys, bookkeeper=bookkeeper)
        # Before the model is loaded, so that probes and the operator can ask how far it is.
        public = Doors(
            Listener(app, bind_port(settings.host, settings.port), tls=gate.tls),
            GrpcListener(app, settings, certificate=gate.certificate),
        )
        internal = Listener(
            build_internal_app(life, metrics), bind_port(settings.host, settings.internal_port)
        )
        return await _serve_on(
            public, internal, life, settings=settings, start=start, plan=plan, stop=stop
        )


async def _serve_on(
    public: Doors,
    internal: Listener,
    life: Lifecycle,
    *,
    settings: Settings,
    start: StartEngine,
    plan: Plan | None,
    stop: asyncio.Event,
) -> int:
    await public.open()
    await internal.open()
    _log.info(
        "listening",
        extra={
            "host": settings.host,
            "port": public.http.port_number,
            "internal_port": internal.port_number,
        },
    )
    try:
        return await _live(life, settings, start, plan, public=public, stop=stop)
    except CannotStart as error:
        life.verification = reported_verification(error)
        life.fail(reported_error(error))
        raise
    finally:
        await public.abort()
        await close_engine(life)
        await internal.abort()


async def _live(
    life: Lifecycle,
    settings: Settings,
    start: StartEngine,
    plan: Plan | None,
    *,
    public: Doors,
    stop: asyncio.Event,
) -> int:
    if not await _finishes_before(stop, _open_model(life, settings, start, plan, public)):
        _log.info("stopped_before_ready")
        return 0
    if await _finishes_before(stop, _watch(life)):
        message = "the thread that owns the model has ended; the process ends to be started again"
        _log.critical("engine_died", extra={"explanation": message})
        life.fail(ReportedError(reason=Reason.CRASHED, message=message))
        await give_up(life, public)
        return EXIT_ENGINE_DIED
    await drain(
        life,
        public,
        lame_duck_seconds=settings.lame_duck_seconds,
        parting_seconds=settings.parting_seconds,
        drain_seconds=life.config.drain_seconds,
    )
    return 0


async def _open_model(
    life: Lifecycle, settings: Settings, start: StartEngine, plan: Plan | None, public: Doors
) -> None:
    """Load the model, let it answer, as declared if anything is, and open the door."""
    began = time.monotonic()
    try:
        engine, _ = await asyncio.gather(start(life.config), public.grpc.open())
    except CannotStart:
        raise
    except Exception as error:
        _log.exception("load_failed")
        raise CannotStart(Reason.LOAD_FAILED, f"{type(error).__name__}: {error}") from error
    loaded = time.monotonic()
    life.finish_load(engine, seconds=round(loaded - began, 3))
    await warm_up(engine)
    warmup_seconds = round(time.monotonic() - loaded, 3)
    if plan is not None:
        life.verification = await verify(plan, engine, life, settings)
    life.finish_warmup(seconds=warmup_seconds, total_seconds=process_age_seconds())
    _log.info(
        "ready",
        extra={
            "model": life.config.model_name,
            "task": engine.info.task.value,
            "device": engine.info.device,
            "dtype": engine.info.dtype,
            "load_seconds": life.startup.load,
            "warmup_seconds": life.startup.warmup,
            "total_seconds": life.startup.total,
        },
    )
    if settings.suggest:
        port = public.http.port_number
        command = suggest(engine, life.config, host=settings.host, port=port)
        sys.stderr.write(f"\n  {command}\n\n" if command else "")


async def _watch(life: Lifecycle) -> None:
    """Return when the engine has died."""
    while life.engine_alive:  # noqa: ASYNC110 - it cannot tell, it can only be asked
        await asyncio.sleep(_PULSE_SECONDS)


async def _finishes_before(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Run the work until it ends, or until the process is told to stop."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    await asyncio.wait({working}, timeout=ENGINE_SECONDS)
    return False


def _listen_for_signals() -> asyncio.Event:
    """Return the event of the first signal to stop; a second one ends the process at once."""
    stop = asyncio.Event()

    def handle(number: signal.Signals) -> None:
        if stop.is_set():
            _log.warning("ending_at_once", extra={"signal": number.name})
            os._exit(128 + number)
        _log.info("asked_to_stop", extra={"signal": number.name})
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)
    return stop
