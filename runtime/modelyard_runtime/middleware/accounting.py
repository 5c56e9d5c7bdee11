"""Every request but the probes is accounted for when it is over, whatever its end is."""

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard_runtime.accounts.records import Exchange
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.logs import current_request_id
from modelyard_runtime.metering import Usage, open_usage
from modelyard_runtime.middleware.access import CLIENT_LEFT
from modelyard_runtime.middleware.authentication import is_look_at

_EVENT_STREAM = "text/event-stream"


class Accounting:
    """Opens the account of a request, and hands it over when the last byte has been sent."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        life: Lifecycle,
        note: Callable[[Exchange], None],
        exempt: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._life = life
        self._note = note
        self._exempt = exempt
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or is_look_at(scope, self._exempt):
            await self._app(scope, receive, send)
            return
        usage = open_usage()
        watching = _Watching(send, self._clock())
        try:
            await self._app(scope, receive, watching.send)
        finally:
            seconds = self._clock() - watching.began
            self._note(self._describe(scope, usage, watching, seconds))

    def _describe(self, scope: Scope, usage: Usage, seen: "_Watching", seconds: float) -> Exchange:
        engine = self._life.engine
        return Exchange(
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            request_id=current_request_id.get(),
            model=usage.model or self._life.config.model_name,
            task=engine.info.task.value if engine is not None else "",
            method=scope["method"],
            path=scope["path"],
            # Left by the router.
            route=getattr(scope.get("route"), "path", ""),
            client=scope["client"][0] if scope.get("client") else "",
            status=seen.status if seen.is_complete else CLIENT_LEFT,
            seconds=seconds,
            is_streamed=seen.is_streamed,
            is_refused=seen.status == HTTPStatus.UNAUTHORIZED,
            usage=usage,
        )


class _Watching:
    """Sees an answer go by."""

    def __init__(self, send: Send, began: float) -> None:
        self._send = send
        self.began = began
        self.status = CLIENT_LEFT
        self.is_complete = False
        self.is_streamed = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kind = Headers(raw=message["headers"]).get("content-type", "")
            self.is_streamed = kind.startswith(_EVENT_STREAM)
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
