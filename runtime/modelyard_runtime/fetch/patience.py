"""Tries again after what passes, until there has been no progress for too long."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import RateLimited, Transient

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
#: Who waits here waits in silence. A hub that wants a longer rest than this is told of by ending:
#: the kubelet starts the container again and again, with pauses of its own that grow to minutes.
_LONGEST_REST_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Patience:
    """How long the whole download may stand still. Several threads share one."""

    def __init__(
        self,
        seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._since = now()

    def renew(self) -> None:
        """There was progress: the clock starts anew."""
        self._since = self._now()

    def insist(self, action: Callable[[], T], *, what: str) -> T:
        """Run the action until it works.

        Raises:
            CannotStart: DownloadFailed, when it kept failing and nothing moved for too long;
                RateLimited, when the hub wants a long rest.
        """
        failures = 0
        while True:
            before = self._since
            try:
                return action()
            except Transient as fault:
                failures = 0 if self._since > before else failures + 1
                self._pause(fault, failures, what)

    def _pause(self, fault: Transient, failures: int, what: str) -> None:
        left = self._since + self._seconds - self._now()
        if left <= 0:
            raise CannotStart(
                Reason.DOWNLOAD_FAILED,
                f"{what}: {fault}. No progress for {self._seconds:.0f} s, so it was given up; what "
                "was fetched is kept",
                hint="Check that pods of this namespace reach that host (DNS, NetworkPolicies, "
                "proxy), or have the policy name a mirror that they reach.",
            ) from fault
        wanted = max(choose_pause(failures, self._jitter()), fault.retry_after_seconds)
        if isinstance(fault, RateLimited) and wanted > _LONGEST_REST_SECONDS:
            raise _rate_limited(fault, what) from fault
        # One last try when time is up, however long the server would like to be left alone.
        seconds = min(wanted, left)
        _log.warning(
            "trying_again",
            extra={"what": what, "explanation": str(fault), "in_seconds": round(seconds, 1)},
        )
        self._sleep(seconds)


def _rate_limited(fault: RateLimited, what: str) -> CannotStart:
    asked = fault.retry_after_seconds
    rest = f", and wants {asked:.0f} s of rest" if asked else ""
    return CannotStart(
        Reason.RATE_LIMITED,
        f"{what}: {fault}{rest}. The download goes on by itself, from where it stopped",
        hint="Wait. Hubs let more requests through with a token (spec.model.secretRef), and a "
        "mirror (huggingFace.endpoint in the platform's policy) sets its own limits.",
    )


def choose_pause(failures: int, jitter: float) -> float:
    """Return the pause after so many failures in a row; jitter (0 to 1) parts a crowd of pods."""
    pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 10))
    return pause * (0.5 + jitter / 2)
