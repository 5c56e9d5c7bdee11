"""uvicorn's HTTP/1.1 protocol, with bounds on what is no body: its size and its time.

Without them a client that sends headers or trailers without end, or none at all, holds memory or a
connection for as long as it likes. Bodies are bounded in middleware/body_limit.py.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 30.0
#: For a client to answer the end of an idle TLS connection.
_PARTING_SECONDS = 2.0


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose request has too large a head, or one that does not come.

    What follows a body (its trailers) is dropped, and bounded as a head is.
    """

    #: Since the beginning, or since the last piece of the body.
    _other_bytes = 0
    _is_reading_head = True
    _is_reading_body = False
    _has_piece = False
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
        """Count what is not yet a whole head, or whole trailers."""
        self._has_piece = False
        super().data_received(data)
        if not (self._is_reading_head or self._is_reading_body) or self.transport.is_closing():
            return
        self._other_bytes = 0 if self._has_piece else self._other_bytes + len(data)
        if self._other_bytes > _MAX_HEAD_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        """Expect the rest of the head soon."""
        super().on_message_begin()
        self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take headers, and no trailers: those were on no proxy's way that judged the head.

        uvicorn would add them to the headers (against RFC 9110, 6.5.1), without end.
        """
        if self._is_reading_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """From here on, the middleware watches."""
        self._end_head()
        self._is_reading_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that there is more than trailers."""
        self._has_piece = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Forget the timer of a body that nobody reads."""
        self._end_head()
        self._is_reading_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Expect the rest of a body that nobody reads soon: uvicorn's timer ends with each byte."""
        super().on_response_complete()
        if self._is_reading_body:
            self._set_timer()

    def shutdown(self) -> None:
        """Close the connection if it is idle; not for ever, over TLS.

        There, closing waits until the client has closed its side as well. One that keeps a
        connection for later does not look at it before, and would hold up the end of the process.
        """
        super().shutdown()
        if self.scheme == "https" and self.transport.is_closing():
            self.loop.call_later(_PARTING_SECONDS, self.transport.abort)

    def _begin_head(self) -> None:
        self._is_reading_head = True
        self._other_bytes = 0
        self._set_timer()

    def _end_head(self) -> None:
        self._is_reading_head = False
        self._cancel_timer()

    def _set_timer(self) -> None:
        self._cancel_timer()
        self._timer = self.loop.call_later(_HEAD_SECONDS, self._give_up)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _refuse(self) -> None:
        # Only where nothing is being answered is a refusal an answer.
        if self._is_reading_head or not self.cycle.response_started:
            self.send_400_response(
                "The head of the request, or what follows its body, is too large."
            )
        else:
            self.transport.close()

    def _give_up(self) -> None:
        # Another request on this connection may still be answered: then it is that one's to close.
        is_idle = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if is_idle:
            self.transport.close()
