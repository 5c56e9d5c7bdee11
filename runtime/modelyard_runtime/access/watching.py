"""A thread that looks again and again: files change without a word to those who have read them."""

import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

#: A mounted Secret is looked at so often; the kubelet's own delay comes on top.
LOOK_SECONDS = 1.0
_END_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Watch:
    """Calls each look once a second, from entering to leaving.

    In a thread of its own: a revoked key must not wait until the event loop has time.
    """

    def __init__(
        self, looks: Sequence[Callable[[], None]], *, every_seconds: float = LOOK_SECONDS
    ) -> None:
        self._looks = looks
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-watch", daemon=True)

    def __enter__(self) -> Self:
        """Begin, if there is anything to look at."""
        if self._looks:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._stop.set()
        if self._looks:
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            for look in self._looks:
                try:
                    look()
                except Exception:  # noqa: BLE001 - the next look may fare better
                    _log.exception("look_failed")
