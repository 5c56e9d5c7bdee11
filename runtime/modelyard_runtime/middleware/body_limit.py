"""Bodies are bounded in size, alone and together, and in time: what passes a bound is refused.

Starlette's own limit answers in plain text where a route does not read the body, and closes the
connection under a client that is still sending, which then often sees a reset and no answer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard_runtime.errors import Overloaded

#: A refused client may go on sending for so long before its connection is closed.
_LINGER_SECONDS = 2.0


@dataclass(slots=True)
class _Room:
    """What is left for the bodies of all requests inside."""

    free_bytes: int


class BodyLimit:
    """Raises HTTPException 413 or 408 where the app reads a body that is too large or too slow.

    It raises Overloaded where the bodies of all requests inside are more than `max_together`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: Callable[[], int],
        seconds: float,
        max_together: int,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._room = _Room(max_together)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guard = _Guard(
            receive, send, room=self._room, max_bytes=self._max_bytes(), seconds=self._seconds
        )
        guard.check_declared(Headers(scope=scope).get("content-length", ""))
        try:
            await self._app(scope, guard.receive, guard.send)
        finally:
            guard.leave()


class _Guard:
    """Watches one body."""

    def __init__(
        self, receive: Receive, send: Send, *, room: _Room, max_bytes: int, seconds: float
    ) -> None:
        self._receive = receive
        self._send = send
        self._room = room
        self._taken_bytes = 0
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
        self._take(len(message.get("body", b"")))
        return message

    def leave(self) -> None:
        """Give back the room of this body."""
        self._room.free_bytes += self._taken_bytes
        self._taken_bytes = 0

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

    def _take(self, count: int) -> None:
        if count > self._room.free_bytes:
            self._is_refused = True
            # At once, or requests that come together would all be refused.
            self.leave()
            raise Overloaded("The server has too many large requests inside; try again soon.")
        self._room.free_bytes -= count
        self._taken_bytes += count

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
