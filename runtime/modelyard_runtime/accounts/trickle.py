"""Lets so many a second through and counts the others: for what strangers can cause. Pure."""


class Trickle:
    """A bucket that holds `burst`, and is filled by `per_second`."""

    def __init__(self, *, per_second: float = 1.0, burst: int = 20) -> None:
        self._per_second = per_second
        self._burst = burst
        self._level = float(burst)
        self._at = 0.0
        self._held_back = 0

    def take(self, now: float) -> int | None:
        """Return how many were held back since the last one, or None if this one is, too.

        `now` is in seconds, of a clock that never goes back.
        """
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < 1:
            self._held_back += 1
            return None
        self._level -= 1
        held_back, self._held_back = self._held_back, 0
        return held_back
