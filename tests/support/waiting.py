"""Waiting on a state, with a limit, instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    look: Callable[[], T | None],
    *,
    what: str,
    seconds: float,
    told: Callable[[], str] = lambda: "",
) -> T:
    """Look often until the answer is truthy and return it; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}\n{told()}")
        time.sleep(0.2)
