"""The declared request, made by the pod to itself, the whole way of a client's but for the port."""

import asyncio
import json
import logging
import time

import httpx2

from modelyard_api.report import Verification
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.server import build_app
from modelyard_runtime.settings import Settings
from modelyard_runtime.time_limit import time_limit
from modelyard_runtime.verification import (
    Plan,
    Reply,
    explain_endless_comparison,
    explain_missing_reply,
    judge,
)

#: Names the request in the log.
_REQUEST_ID = "verification"
#: Comparing is a matter of milliseconds, unless an expression backtracks without end.
_COMPARE_SECONDS = 5.0

_log = logging.getLogger(__name__)


async def verify(
    plan: Plan, engine: GenerationEngine | BatchEngine, life: Lifecycle, settings: Settings
) -> Verification:
    """Ask, compare, and return the outcome if all is as expected.

    Raises:
        CannotStart: the answer is another one, or did not come in time.
    """
    _log.info("verifying", extra={"path": plan.request.path})
    began = time.monotonic()
    reply = await _ask(plan, engine, life, settings)
    seconds = time.monotonic() - began
    try:
        with time_limit(_COMPARE_SECONDS):
            judge(plan, reply)
    except TimeoutError:
        raise explain_endless_comparison(plan, _COMPARE_SECONDS) from None
    message = f"POST {plan.request.path} was answered as expected in {seconds:.3f} s"
    _log.info("verified", extra={"path": plan.request.path, "seconds": round(seconds, 3)})
    return Verification(passed=True, message=message)


async def _ask(
    plan: Plan, engine: GenerationEngine | BatchEngine, life: Lifecycle, settings: Settings
) -> Reply:
    # A task of its own: the request's id, once set, stays for good.
    asking = asyncio.create_task(_post(plan, engine, life, settings))
    try:
        # Not awaited after its cancellation: a model that hangs may not let go of its request.
        await asyncio.wait({asking}, timeout=plan.timeout_seconds)
        if not asking.done():
            raise explain_missing_reply(plan)
        return asking.result()
    finally:
        asking.cancel()


async def _post(
    plan: Plan, engine: GenerationEngine | BatchEngine, life: Lifecycle, settings: Settings
) -> Reply:
    """Post the request to an application of its own, in which clients are let in already.

    It has its own metrics too, so that nothing of this is counted as a client's.
    """
    opened = Lifecycle(life.config)
    opened.finish_load(engine, seconds=0)
    opened.finish_warmup(seconds=0, total_seconds=None)
    transport = httpx2.ASGITransport(
        build_app(opened, Metrics(opened), settings), raise_app_exceptions=False
    )
    request = httpx2.Request(
        "POST",
        f"http://localhost{plan.request.path}",
        headers={"content-type": "application/json", "x-request-id": _REQUEST_ID},
        content=json.dumps(plan.request.body, ensure_ascii=False).encode(),
    )
    response = await transport.handle_async_request(request)
    return Reply(
        status=response.status_code,
        media_type=response.headers.get("content-type", ""),
        body=await response.aread(),
    )
