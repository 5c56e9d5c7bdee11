"""Every request has an id: the caller's if it is sane, else a new one. Logs and answer carry it."""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard_runtime.logs import current_request_id

HEADER = "x-request-id"

#: Ids end up in logs and headers of other systems: no spaces, quotes or line breaks.
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestId:
    """Sets the id for the request's task, and returns it in X-Request-Id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        # Never reset: the server runs each request in a task of its own, and what it logs after
        # the app has raised should still carry the id.
        current_request_id.set(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
