"""An end to a computation that would not end by itself, such as a regular expression's search."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so many seconds; of the main thread only.

    A thread would not help: a search holds the interpreter's lock until it ends, and looks only for
    signals.
    """

    def expire(*_: object) -> NoReturn:
        raise TimeoutError

    handler = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
