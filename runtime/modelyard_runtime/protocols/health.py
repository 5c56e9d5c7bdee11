"""Probes: `/livez`, `/startupz`, `/readyz`. A failing one says why in its body."""

from typing import Any, NotRequired

from fastapi import APIRouter
from starlette.responses import Response
from typing_extensions import TypedDict

from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.protocols.json_response import json_response

#: Asked every few seconds by the kubelet: neither logged nor counted.
PATHS = frozenset({"/livez", "/readyz", "/startupz"})


class Health(TypedDict):
    """`ok`, or `unavailable` and the reason."""

    status: str
    reason: NotRequired[str]


def build_router(life: Lifecycle) -> APIRouter:
    """Return the probes' routes."""
    router = APIRouter(tags=["health"])
    described: dict[int | str, dict[str, Any]] = {200: {"model": Health}, 503: {"model": Health}}

    @router.head("/livez", include_in_schema=False)
    @router.get("/livez", responses=described, response_model=None)
    async def live() -> Response:
        """The process runs and, once the model is loaded, so does its engine."""
        return _answer(_reason_not_live(life))

    @router.head("/startupz", include_in_schema=False)
    @router.get("/startupz", responses=described, response_model=None)
    async def started() -> Response:
        """The model is loaded and has answered its warm-up."""
        return _answer(_reason_not_live(life) or _reason_not_started(life))

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", responses=described, response_model=None)
    async def ready() -> Response:
        """New requests are welcome."""
        return _answer(
            _reason_not_live(life) or _reason_stopping(life) or _reason_not_started(life)
        )

    return router


def _reason_not_live(life: Lifecycle) -> str:
    return "" if life.engine_alive else "the model's engine has died"


def _reason_not_started(life: Lifecycle) -> str:
    if life.warm:
        return ""
    return _reason_stopping(life) or f"the model is {life.state.value}"


def _reason_stopping(life: Lifecycle) -> str:
    return f"the process is {life.state.value}" if life.is_stopping else ""


def _answer(reason: str) -> Response:
    health: Health = {"status": "unavailable", "reason": reason} if reason else {"status": "ok"}
    return json_response(health, status=503 if reason else 200)
