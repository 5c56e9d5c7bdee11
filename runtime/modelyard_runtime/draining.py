"""The end of serving: clients are sent elsewhere, and every accepted request is finished."""

import asyncio
import logging

from modelyard_runtime.doors import Doors
from modelyard_runtime.lifecycle import Lifecycle

_log = logging.getLogger(__name__)

#: After the port is closed, requests may still be on their way over open connections.
_SETTLE_SECONDS = 0.25
#: For the last words to requests that outlive the drain. With the time that an engine has to end,
#: it is shorter than the kubelet's margin (STOP_MARGIN_SECONDS).
_FAREWELL_SECONDS = 3.0
#: A thread that computes or loads cannot be interrupted; nothing waits longer for it.
ENGINE_SECONDS = 3.0


async def drain(
    life: Lifecycle,
    public: Doors,
    *,
    lame_duck_seconds: float,
    parting_seconds: float,
    drain_seconds: float,
) -> None:
    """Return when no request is inside, or the time is over and the rest were told so.

    1. Not ready, and every answer asks its client to close the connection; new ones are served.
    2. The port is closed; requests over connections that are still open are served, for as long as
       there are such connections and at most `parting_seconds`. A client that keeps some open uses
       them in turn: closed sooner, one would be closed just as a request is on its way to it.
    3. Idle connections are closed; the others are, as their answers end.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + drain_seconds
    life.begin_drain()
    _log.info("draining", extra={"drain_seconds": drain_seconds})
    await asyncio.sleep(min(lame_duck_seconds, drain_seconds))
    public.stop_accepting()
    await asyncio.sleep(min(_SETTLE_SECONDS, max(deadline - clock(), 0)))
    await public.outlast_clients(timeout_seconds=min(parting_seconds, max(deadline - clock(), 0)))
    if await public.finish(timeout_seconds=max(deadline - clock(), 0)):
        _log.info("drained")
        return
    _log.warning("drain_time_over")
    await give_up(life, public)


async def give_up(life: Lifecycle, public: Doors) -> None:
    """Fail what is inside, so that clients hear why, and leave."""
    life.stop_admitting()
    await close_engine(life)
    if not await public.finish(timeout_seconds=_FAREWELL_SECONDS):
        await public.abort()


async def close_engine(life: Lifecycle) -> None:
    """End the engine, if it ends in time."""
    if life.engine is not None:
        await asyncio.wait({asyncio.ensure_future(life.engine.close())}, timeout=ENGINE_SECONDS)
