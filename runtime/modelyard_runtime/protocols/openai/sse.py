"""Server-sent events: a response that begins with its first event known, and ends in order."""

import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from modelyard_runtime.errors import RequestFault
from modelyard_runtime.protocols.openai.errors import envelop
from modelyard_runtime.protocols.presence import ClientGone, while_client_waits
from modelyard_runtime.protocols.problem import problem_of

_log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"


def to_event(content: object) -> bytes:
    """Return plain data as one event. JSON has no line breaks outside of its escapes."""
    return b"data: " + orjson.dumps(content) + b"\n\n"


class EventStream(Response):
    """Sends events until they end or the client leaves.

    The first event was awaited before, while a fault could still have a status of its own. A later
    fault is the last event, and no `[DONE]` follows it: the answer is not complete.
    """

    media_type = "text/event-stream"

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            # Proxies that buffer (nginx) would hold the text back until its end.
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        del scope
        async with aclosing(self._rest):
            # That the end was never sent is what tells the others.
            with contextlib.suppress(ClientGone):
                await while_client_waits(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await _send_body(send, self._first)
        try:
            async for event in self._rest:
                await _send_body(send, event)
        except RequestFault as fault:
            await _send_body(send, to_event(envelop(problem_of(fault))))
        except Exception as error:  # noqa: BLE001 - the stream has no other place to tell it
            _log.exception("stream_failed_unforeseen")
            await _send_body(send, to_event(envelop(problem_of(error))))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
