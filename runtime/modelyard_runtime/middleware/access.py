"""One log line and one count for every request, when its last byte has been sent."""

import logging
import time
from collections.abc import Callable, Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard_runtime.accounts.trickle import Trickle
from modelyard_runtime.metrics import Metrics

_log = logging.getLogger(__name__)

#: What nginx logs for a client that left before the answer was complete.
CLIENT_LEFT = 499
_MAX_PATH = 256


class Access:
    """Observes requests from their arrival to their end, whatever the end is."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        unobserved: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._unobserved = unobserved
        self._clock = clock
        self._refused = Trickle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it ended."""
        if scope["type"] != "http" or scope["path"] in self._unobserved:
            await self._app(scope, receive, send)
            return
        started = self._clock()
        status = CLIENT_LEFT
        is_complete = False

        async def observe(message: Message) -> None:
            nonlocal status, is_complete
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                is_complete = True

        try:
            await self._app(scope, receive, observe)
        finally:
            now = self._clock()
            # Anybody can be refused, as often as they like: that must not fill the log.
            is_refused = status == HTTPStatus.UNAUTHORIZED
            unlogged = self._refused.take(now) if is_refused else 0
            self._note(
                scope, status if is_complete else CLIENT_LEFT, now - started, unlogged=unlogged
            )

    def _note(self, scope: Scope, status: int, seconds: float, *, unlogged: int | None) -> None:
        """Count a request, and log it; with the number of those before it that were not logged."""
        self._metrics.count_request(code=status, seconds=seconds)
        if unlogged is None:
            return
        _log.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"][:_MAX_PATH],
                "status": status,
                "seconds": round(seconds, 6),
                **({"unlogged": unlogged} if unlogged else {}),
            },
        )
