"""How far the download is: what has arrived, how fast, how long it will take."""

import time
from collections.abc import Callable, Mapping
from threading import Lock

_MEGABYTE = 1_000_000


class Meter:
    """Bytes on the volume, file by file. Several threads share one."""

    def __init__(
        self,
        total_bytes: int,
        advanced: Callable[[], None],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total_bytes = total_bytes
        self.received_bytes = 0
        self._advanced = advanced
        self._now = now
        self._began = now()
        self._furthest: dict[str, int] = {}
        self._lock = Lock()

    def found(self, name: str, offset: int) -> None:
        """So much of a file was there already."""
        with self._lock:
            self._furthest[name] = max(self._furthest.get(name, 0), offset)

    def received(self, name: str, size: int, offset: int) -> None:
        """`size` bytes came, and the file now reaches to `offset`.

        What only repeats what had been there is no progress: else a server that cuts every
        answer short and starts anew would be listened to for ever.
        """
        with self._lock:
            self.received_bytes += size
            if offset <= self._furthest.get(name, 0):
                return
            self._furthest[name] = offset
        self._advanced()

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return self._now() - self._began

    def describe(self) -> Mapping[str, object]:
        """Return the fields of a log line; `eta_seconds` is null until something has come."""
        with self._lock:
            there = sum(self._furthest.values())
        rate = self.received_bytes / self.seconds if self.seconds > 0 else 0.0
        left = max(self.total_bytes - there, 0)
        return {
            "bytes": there,
            "total_bytes": self.total_bytes,
            "megabytes_per_second": round(rate / _MEGABYTE, 2),
            "eta_seconds": round(left / rate) if rate > 0 else None,
        }
