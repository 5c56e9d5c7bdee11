"""Standing by, leading, losing, and stopping in order."""

import asyncio
from time import monotonic

import pytest

from modelyard_operator.leadership import Leadership
from modelyard_operator.metrics import Metrics
from modelyard_operator.records import Key
from modelyard_operator.workers import Workers
from modelyard_operator.workqueue import WorkQueue
from tests.support.scripted_api import until

A, B = Key("ns", "a"), Key("ns", "b")


class ScriptedElection:
    """Is won and lost when the test says so."""

    def __init__(self, told):
        self._told = told
        self._holds = asyncio.Event()
        self._lost = asyncio.Event()

    def give(self):
        self._lost.clear()
        self._holds.set()

    def take_away(self):
        self._holds.clear()
        self._lost.set()

    def may_write(self):
        return self._holds.is_set()

    async def win(self):
        await self._holds.wait()

    async def keep(self):
        await self._lost.wait()

    async def release(self):
        self._told.append("released")
        self.take_away()


class ScriptedReconciler:
    """Writes down what it does, and waits where the test wants it to."""

    def __init__(self, told):
        self._told = told
        self.seen = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    def forget_all(self):
        self._told.append("forgot")

    async def reconcile(self, key):
        self.seen.append(key)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self._told.append(f"cut {key.name}")
            raise
        self._told.append(f"done {key.name}")


class ScriptedRecorder:
    def __init__(self, told):
        self._told = told

    async def flush(self, limit_seconds):
        self._told.append("flushed")


class Parts:
    """A Leadership with everything around it, running."""

    def __init__(self, drain_seconds=5.0):
        self.told = []
        self.known = [A, B]
        self.election = ScriptedElection(self.told)
        self.reconciler = ScriptedReconciler(self.told)
        queue = WorkQueue(tenant=lambda key: key.namespace, now=monotonic, random=lambda: 1.0)
        self.workers = Workers(queue, Metrics(), count=1)
        self.leadership = Leadership(
            self.election,
            self.workers,
            self.reconciler,
            ScriptedRecorder(self.told),
            find_known=lambda: list(self.known),
            drain_seconds=drain_seconds,
        )
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.leadership.run(self.stop))

    async def end(self):
        self.stop.set()
        await asyncio.wait_for(self.task, 10)


@pytest.fixture
async def parts():
    parts = Parts()
    yield parts
    await parts.end()


async def test_a_standby_does_nothing(parts):
    parts.workers.add(A)
    await asyncio.sleep(0.05)
    assert (parts.reconciler.seen, parts.told) == ([], [])


async def test_who_wins_looks_at_everything(parts):
    parts.election.give()
    await until(lambda: parts.reconciler.seen == [A, B])


async def test_who_loses_is_cut_off_and_stands_again(parts):
    parts.reconciler.go_on.clear()
    parts.election.give()
    await until(lambda: parts.reconciler.seen == [A])
    parts.election.take_away()
    await until(lambda: parts.told == ["cut a", "forgot"])
    assert not parts.workers.is_working
    parts.reconciler.go_on.set()
    parts.election.give()
    await until(lambda: parts.told[2:] == ["done a", "done b"])


async def test_the_lease_is_released_after_the_work_and_its_events(parts):
    parts.reconciler.go_on.clear()
    parts.election.give()
    await until(lambda: parts.reconciler.seen == [A])
    parts.stop.set()
    await until(lambda: parts.workers._is_stopping)
    assert parts.told == []
    parts.reconciler.go_on.set()
    await parts.end()
    assert parts.told == ["done a", "flushed", "forgot", "released"]


async def test_a_standby_that_is_stopped_ends_at_once(parts):
    await parts.end()
    assert parts.told == ["released"]


async def test_work_that_does_not_end_is_cut_off_in_time():
    parts = Parts(drain_seconds=0.05)
    parts.reconciler.go_on.clear()
    parts.election.give()
    await until(lambda: parts.reconciler.seen == [A])
    await parts.end()
    assert parts.told == ["flushed", "cut a", "forgot", "released"]


async def test_who_loses_while_stopping_does_not_go_on(parts):
    parts.reconciler.go_on.clear()
    parts.election.give()
    await until(lambda: parts.reconciler.seen == [A])
    parts.stop.set()
    await until(lambda: parts.workers._is_stopping)
    parts.election.take_away()
    await parts.end()
    assert parts.told == ["flushed", "cut a", "forgot", "released"]


async def test_a_fault_of_ours_ends_the_process_and_releases_the_lease():
    parts = Parts()
    parts.known = None  # which cannot be walked through
    parts.election.give()
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(parts.task, 5)
    assert parts.told == ["released"]
