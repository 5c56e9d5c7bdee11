"""uvicorn's HTTP/1.1 protocol, with bounds on the head of a request: its size and its time.

Without them a client that sends headers without end, or none at all, holds memory or a connection
for as long as it likes. Bodies are bounded in middleware/body_limit.py.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 30.0
#: For a client to answer the end of an idle TLS connection.
_PARTING_SECONDS = 2.0


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose request has too large a head, or one that does not come."""

    _head_bytes = 0
    _is_reading_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a first request soon."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is not yet a whole head."""
        super().data_received(data)
        if self._is_reading_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Expect the rest of the head soon."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """From here on, the middleware watches."""
        self._end_head()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Close the connection if it is idle; not for ever, over TLS.

        There, closing waits until the client has closed its side as well. One that keeps a
        connection for later does not look at it before, and would hold up the end of the process.
        """
        super().shutdown()
        if self.scheme == "https" and self.transport.is_closing():
            self.loop.call_later(_PARTING_SECONDS, self.transport.abort)

    def _begin_head(self) -> None:
        self._end_head()
        self._is_reading_head = True
        self._head_bytes = 0
        self._timer = self.loop.call_later(_HEAD_SECONDS, self._give_up)

    def _end_head(self) -> None:
        self._is_reading_head = False
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        # Another request on this connection may still be answered: then it is that one's to close.
        is_idle = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if is_idle:
            self.transport.close()
