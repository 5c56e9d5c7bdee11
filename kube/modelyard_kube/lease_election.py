"""LeaseElection: stands for a Lease, keeps it, and knows at any moment whether it may write."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from modelyard_kube.errors import ClusterError, WriteKeptBack
from modelyard_kube.lease import (
    LeaseRecord,
    Sighting,
    Step,
    Timing,
    build_lease,
    build_release,
    build_renewal,
    build_taking,
    decide_step,
    note_sighting,
    read_record,
    seconds_until_free,
)
from modelyard_kube.resources import LEASES, Resource

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_USUAL = Timing()
_NEVER = -math.inf
#: A candidate looks up to so much later than its turn, so that several do not fall together.
_JITTER = 0.2
#: After a failure a holder, whose time runs out, tries again in this part of the usual time.
_HURRY = 0.25
_SOONEST_SECONDS = 0.05


class LeaseClient(Protocol):
    """The verbs of KubeClient that an election needs."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None: ...  # noqa: D102
    async def create(self, resource: Resource, manifest: Json) -> Json: ...  # noqa: D102
    async def merge_patch(  # noqa: D102
        self, resource: Resource, namespace: str, name: str, patch: Json
    ) -> Json: ...


class Clock(Protocol):
    """Time as an election needs it."""

    def now(self) -> float:
        """Return seconds that also pass while the process is stopped."""

    def today(self) -> datetime:
        """Return the date and time, for people."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Read the clock that goes on while the machine is suspended, unlike time.monotonic."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def today(self) -> datetime:
        """Read the wall clock."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class LeaseElection:
    """One candidate for one Lease. `identity` must be new with every process start.

    `check` is the fence: whoever asks it right before each write sends none after the lease may
    be another's, however long the process stood still before. What had been handed to the kernel
    by then cannot be called back.
    """

    def __init__(
        self,
        client: LeaseClient,
        namespace: str,
        name: str,
        *,
        identity: str,
        random: Callable[[], float],
        clock: Clock,
        timing: Timing = _USUAL,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._random = random
        self._clock = clock
        self._timing = timing
        self._seen: Sighting | None = None
        self._is_certain = False  # that the lease is as last seen, so that it need not be read
        self._writes_until = _NEVER
        self._complaint = ""

    @property
    def has_looked(self) -> bool:
        """Whether the lease could be read or made at least once: rights and API are there."""
        return self._seen is not None

    def may_write(self) -> bool:
        """Whether the lease is ours at this moment, by our own clock."""
        return self._clock.now() < self._writes_until

    def check(self) -> None:
        """Keep a write back.

        Raises:
            WriteKeptBack: the lease is not ours.
        """
        if not self.may_write():
            raise WriteKeptBack("not sent: this process does not hold the lease")

    async def win(self) -> None:
        """Stand until the lease is ours. What fails is tried again."""
        while not await self._attempt(self._timing.renew_seconds / 2):
            wait = self._timing.retry_seconds * (1 + _JITTER * self._random())
            if self._seen is not None and self._is_certain:
                free = seconds_until_free(self._seen, self._timing, self._clock.now())
                wait = min(wait, max(free, _SOONEST_SECONDS))
            await self._clock.sleep(wait)
        logger.info("holding the lease %s/%s as %s", self._namespace, self._name, self._identity)

    async def keep(self) -> None:
        """Renew the lease for as long as it is ours; return when it is not."""
        wait = self._timing.retry_seconds
        while (left := self._writes_until - self._clock.now()) > 0:
            await self._clock.sleep(min(wait, left))
            left = self._writes_until - self._clock.now()
            if left > 0:
                await self._attempt(min(left, self._timing.renew_seconds / 2))
            wait = self._timing.retry_seconds * (1 if self._is_certain else _HURRY)
        self._writes_until = _NEVER
        logger.warning("lost the lease %s/%s", self._namespace, self._name)

    async def release(self) -> None:
        """Write nothing more, and leave the lease to whoever looks next, if it is ours.

        It may be so without our knowledge, when the answer to a request did not arrive.
        """
        self._writes_until = _NEVER
        try:
            async with asyncio.timeout(self._timing.retry_seconds):
                record = await self._read()
                if record is not None and record.holder == self._identity:
                    await self._patch(build_release(record, self._clock.today()))
                    logger.info("released the lease %s/%s", self._namespace, self._name)
        except (ClusterError, TimeoutError) as error:
            logger.warning("lease not released, it will run out: %s", str(error) or "no answer")

    async def _attempt(self, limit_seconds: float) -> bool:
        try:
            async with asyncio.timeout(limit_seconds):
                await self._act()
        except (ClusterError, TimeoutError) as error:
            # What was sent may have arrived all the same.
            self._is_certain = False
            self._complain(str(error) or "no answer in time")
        else:
            self._complaint = ""
        return self.may_write()

    async def _act(self) -> None:
        if not (self._is_certain and self.may_write()):
            self._seen = note_sighting(self._seen, await self._read(), self._clock.now())
            self._is_certain = True
        # Counted from before the request: nobody can have seen the renewal earlier than that.
        began = self._clock.now()
        step = decide_step(self._seen, self._identity, self._timing, began)
        if step is Step.WAIT:
            self._writes_until = _NEVER
            return
        body = await self._take(step)
        self._seen = Sighting(read_record(body), self._clock.now())
        self._writes_until = began + self._timing.renew_seconds

    async def _take(self, step: Step) -> Json:
        today, seen = self._clock.today(), self._seen
        if seen is None or step is Step.CREATE:
            transitions = seen.record.transitions + 1 if seen is not None else 0
            where = (self._namespace, self._name, self._identity)
            lease = build_lease(*where, self._timing, today, transitions=transitions)
            return await self._client.create(LEASES, lease)
        if step is Step.RENEW:
            return await self._patch(build_renewal(seen.record, self._timing, today))
        return await self._patch(build_taking(seen.record, self._identity, self._timing, today))

    async def _read(self) -> LeaseRecord | None:
        body = await self._client.get(LEASES, self._namespace, self._name)
        return read_record(body) if body is not None else None

    async def _patch(self, patch: Json) -> Json:
        return await self._client.merge_patch(LEASES, self._namespace, self._name, patch)

    def _complain(self, complaint: str) -> None:
        # An API server that is away is asked every two seconds: once is enough to say so.
        if complaint != self._complaint:
            logger.warning("no hold of the lease: %s", complaint)
        self._complaint = complaint
