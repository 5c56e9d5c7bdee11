"""A Lease in memory and a clock that a test moves."""

import asyncio
from datetime import UTC, datetime, timedelta

from modelyard_kube.errors import ClusterError

START = 1000.0


class TimeIsUp(Exception):
    """The test has seen enough."""


class FakeClock:
    """Moves when somebody sleeps, and lets things happen at their times."""

    def __init__(self):
        self.time = START
        self.end = START + 300
        self._events = []

    def at(self, seconds, act):
        """Do something so long after the start."""
        self._events.append((START + seconds, act))
        self._events.sort(key=lambda event: event[0])

    def advance(self, seconds):
        until = self.time + seconds
        while self._events and self._events[0][0] <= until:
            self.time, act = self._events.pop(0)
            act()
        self.time = until

    def now(self):
        return self.time

    def today(self):
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.time)

    async def sleep(self, seconds):
        self.advance(seconds)
        if self.time > self.end:
            raise TimeIsUp
        await asyncio.sleep(0)

    @property
    def passed(self):
        return self.time - START


class MemoryLease:
    """One Lease as an API server keeps it: versions, conflicts, and failures on demand."""

    def __init__(self, clock):
        self.clock = clock
        self.body = None
        self.version = 0
        self.calls = []
        self.faults = []
        self.latency = 0.0
        self.is_away = False

    @property
    def spec(self):
        return self.body["spec"]

    def put(self, holder, transitions=0, hold_seconds=10):
        """Have somebody hold it, renewed now."""
        self._store(
            {
                "holderIdentity": holder,
                "leaseDurationSeconds": hold_seconds,
                "leaseTransitions": transitions,
                "renewTime": self.clock.today().isoformat(),
            }
        )

    def touch(self):
        """Have somebody edit a label."""
        self._store(self.spec)

    def remove(self):
        self.body = None

    async def get(self, resource, namespace, name):
        await self._answer("get")
        return self.body

    async def create(self, resource, manifest):
        await self._answer("create", lambda: self._create(manifest))
        return self.body

    async def merge_patch(self, resource, namespace, name, patch):
        await self._answer("patch", lambda: self._patch(patch))
        return self.body

    def _create(self, manifest):
        if self.body is not None:
            raise ClusterError("exists", status=409, reason="AlreadyExists")
        self._store(manifest["spec"])

    def _patch(self, patch):
        if self.body is None:
            raise ClusterError("not found", status=404)
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise ClusterError("modified", status=409, reason="Conflict")
        merged = {**self.spec, **patch["spec"]}
        self._store({key: value for key, value in merged.items() if value is not None})

    async def _answer(self, call, act=lambda: None):
        self.calls.append(call)
        if self.is_away:
            raise ClusterError("connection refused")
        self.clock.advance(self.latency / 2)
        fault = self.faults.pop(0) if self.faults else None
        if not isinstance(fault, ClusterError):
            act()
        self.clock.advance(self.latency / 2)
        if fault is not None:
            raise fault

    def _store(self, spec):
        self.version += 1
        self.body = {"metadata": {"resourceVersion": str(self.version)}, "spec": spec}
