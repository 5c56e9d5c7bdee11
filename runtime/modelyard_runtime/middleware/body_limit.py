"""Bodies are bounded in size and in time, and refused as soon as one of the bounds is passed.

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
    """Raises HTTPException 413 or 408 where the app reads a body that is too large or too slow."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guard = _Guard(receive, send, max_bytes=self._max_bytes, seconds=self._seconds)
        guard.check_declared(Headers(scope=scope).get("content-length", ""))
        await self._app(scope, guard.receive, guard.send)


class _Guard:
    """Watches one body."""

    def __init__(self, receive: Receive, send: Send, *, max_bytes: int, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._received_bytes = 0
        self._is_complete = False
        self._is_refused = False

    def check_declared(self, length: str) -> None:
        """Count a declared length as received: what is too large need not be read."""
        if length.isdecimal() and int(length) > self._max_bytes:
            self._received_bytes = int(length)

    async def receive(self) -> Message:
        self._check_size()
        if self._is_complete:  # what comes now is the client's leave, which may take its time
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self._is_refused = True
            raise HTTPException(408, "The body took too long to arrive.") from None
        self._received_bytes += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        self._check_size()
        return message

    async def send(self, message: Message) -> None:
        if not self._is_refused:
            await self._send(message)
        elif message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
            await self._send(message)
        else:
            await self._send_and_linger(message)

    def _check_size(self) -> None:
        if self._received_bytes > self._max_bytes:
            self._is_refused = True
            raise HTTPException(413, f"The body is larger than {self._max_bytes} bytes.")

    async def _send_and_linger(self, message: Message) -> None:
        """Send the answer, then read on for a while: closing at once would reset the client."""
        await self._send({**message, "more_body": True})
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self._is_complete:
                    self._is_complete = not (await self._receive()).get("more_body", False)
        except TimeoutError:
            pass
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
