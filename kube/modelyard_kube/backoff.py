"""Waiting before another try: exponential, capped, with full jitter."""

from collections.abc import Callable

_FACTOR = 2.0
#: Beyond this many doublings every cap in use is reached; the bound keeps the power finite.
_MAX_DOUBLINGS = 30


def full_jitter(
    failures: int, *, base_seconds: float, max_seconds: float, random: Callable[[], float]
) -> float:
    """Return the wait before the next try, after that many failures (from 1) in a row."""
    doublings = min(failures - 1, _MAX_DOUBLINGS)
    ceiling = min(base_seconds * _FACTOR**doublings, max_seconds)
    return ceiling * random()


class Backoff:
    """The wait of one thing that is tried again and again. `random` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        random: Callable[[], float],
        base_seconds: float = 0.5,
        max_seconds: float = 30.0,
    ) -> None:
        self._random = random
        self._base_seconds = base_seconds
        self._max_seconds = max_seconds
        self._failures = 0

    def next(self, at_least: float | None = None) -> float:
        """Count one more failure and return the seconds to wait, not less than asked for."""
        self._failures += 1
        wait = full_jitter(
            self._failures,
            base_seconds=self._base_seconds,
            max_seconds=self._max_seconds,
            random=self._random,
        )
        return max(wait, at_least or 0.0)

    def reset(self) -> None:
        """Forget the failures: it worked."""
        self._failures = 0

    def spread(self, seconds: float) -> float:
        """Return between 80 and 100 % of a period, so that many of them do not fall together."""
        return seconds * (0.8 + 0.2 * self._random())
