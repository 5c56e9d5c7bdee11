"""Lines of JSON to a file descriptor, written by a thread of its own: no request waits for them."""

import os
import queue
import select
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import orjson

#: Of a kilobyte or so each.
_MAX_WAITING = 10_000
_END_SECONDS = 1.0


class Sink(Protocol):
    """Where records go."""

    def put(self, record: Mapping[str, object]) -> None:
        """Take a record; never wait, never fail."""
        ...


class Journal:
    """Writes records in their order. What there is no room for is lost, and counted."""

    def __init__(
        self, descriptor: int, *, on_loss: Callable[[], None], max_waiting: int = _MAX_WAITING
    ) -> None:
        self._descriptor = descriptor
        self._on_loss = on_loss
        # One more for the end mark.
        self._waiting: queue.Queue[bytes | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    def put(self, record: Mapping[str, object]) -> None:
        """Take a record; never wait, never fail."""
        try:
            self._waiting.put_nowait(orjson.dumps(record) + b"\n")
        except (queue.Full, orjson.JSONEncodeError):
            self._on_loss()

    def close(self) -> None:
        """Write what waits, as far as that goes in a moment."""
        try:
            self._waiting.put(None, timeout=_END_SECONDS)
        except queue.Full:
            return  # nobody reads; the thread ends with the process
        self._thread.join(_END_SECONDS)

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._write(line)
            except OSError:
                self._on_loss()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody who shares the descriptor has made it so
                select.select([], [self._descriptor], [])
