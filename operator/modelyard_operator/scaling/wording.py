"""Numbers as people read them: pure."""

from math import ceil

_MINUTE, _HOUR = 60, 3600


def say_load(load: float) -> str:
    """Return a number of requests; rounded up, so that a little too much does not look like none.

    The slack keeps what is only a float's error from being rounded up.
    """
    rounded = ceil(load * 10 - 1e-6) / 10
    number = f"{rounded:.1f}".removesuffix(".0")
    return f"{number} request" if number == "1" else f"{number} requests"


def say_seconds(seconds: float) -> str:
    """Return a time as specs have it."""
    for size, unit in ((_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
