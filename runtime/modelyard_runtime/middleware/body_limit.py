"""A body over the limit is refused as soon as that is known: by its declared length, or on the way.

Starlette's own limit answers in plain text where a route does not read the body, and closes the
connection under a client that is still sending, which then often sees a reset and no answer.
"""

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A refused client may go on sending for so long before its connection is closed.
_LINGER_SECONDS = 2.0


class BodyLimit:
    """Raises HTTPException 413 where the app reads a body that is too large."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guard = _Guard(scope, receive, send, max_bytes=self._max_bytes)
        await self._app(scope, guard.receive, guard.send)


class _Guard:
    """Counts one body."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, max_bytes: int) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._is_declared_too_large = declared.isdecimal() and int(declared) > max_bytes
        self._is_refused = False
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        if self._is_declared_too_large:
            self._refuse()
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self._refuse()
        return message

    async def send(self, message: Message) -> None:
        if not self._is_refused:
            await self._send(message)
        elif message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
            await self._send(message)
        else:
            await self._send_and_linger(message)

    def _refuse(self) -> None:
        self._is_refused = True
        raise HTTPException(413, f"The body is larger than {self._max_bytes} bytes.")

    async def _send_and_linger(self, message: Message) -> None:
        """Send the answer, then read on for a while: closing at once would reset the client."""
        await self._send({**message, "more_body": True})
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while (await self._receive()).get("more_body", False):
                    pass
        except TimeoutError:
            pass
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
