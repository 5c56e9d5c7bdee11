"""A pace: a few at once, and from then on one at a time. Pure: the clock comes in."""

from collections.abc import Callable


class Pace:
    """Lets `burst` things happen at once, and one more for every `interval_seconds`."""

    def __init__(self, *, burst: int, interval_seconds: float, now: Callable[[], float]) -> None:
        self._slack_seconds = (burst - 1) * interval_seconds
        self._interval_seconds = interval_seconds
        self._now = now
        self._next = now() - self._slack_seconds

    def claim(self) -> float:
        """Take the next turn; returns how many seconds it is away."""
        now = self._now()
        turn = max(self._next, now - self._slack_seconds)
        self._next = turn + self._interval_seconds
        return max(turn - now, 0.0)
