"""Workers: several keys at once, never one twice, errors with backoff, and an orderly end."""

import asyncio
from time import monotonic

import pytest

from modelyard_kube.errors import ClusterError
from modelyard_operator.metrics import Metrics
from modelyard_operator.records import Key
from modelyard_operator.workers import Workers
from modelyard_operator.workqueue import Priority, WorkQueue
from tests.support.scripted_api import until

A, B, C = Key("ns", "a"), Key("ns", "b"), Key("ns", "c")


@pytest.fixture
def queue():
    return WorkQueue(
        tenant=lambda key: key.namespace,
        now=monotonic,
        random=lambda: 1.0,
        base_seconds=0.01,
        max_seconds=0.05,
    )


@pytest.fixture
async def run(queue):
    """Run workers over a reconcile function until the test is over."""
    started = []

    def start(reconcile, count=2, limit_seconds=5.0):
        workers = Workers(queue, Metrics(), count=count, limit_seconds=limit_seconds)
        started.append((workers, asyncio.create_task(workers.run(reconcile))))
        return workers

    yield start
    for workers, task in started:
        workers.stop()
        await asyncio.wait_for(task, 5)


def counting(outcomes=()):
    """A reconcile function that writes down its keys and returns or raises what it is given."""
    seen, left = [], list(outcomes)

    async def reconcile(key):
        seen.append(key)
        outcome = left.pop(0) if left else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return reconcile, seen


async def test_a_key_is_worked_on(run):
    reconcile, seen = counting()
    workers = run(reconcile)
    workers.add(A)
    await until(lambda: seen == [A])


async def test_a_key_is_looked_at_again_when_asked(run):
    reconcile, seen = counting([0.01, None])
    run(reconcile).add(A)
    await until(lambda: seen == [A, A])


async def test_what_the_cluster_does_not_let_us_do_is_tried_again(run, queue):
    reconcile, seen = counting([ClusterError("busy", status=429), ClusterError("away"), None])
    run(reconcile).add(A)
    await until(lambda: seen == [A, A, A] and queue.running == 0)
    assert queue.delayed == 0


async def test_a_fault_of_ours_is_logged_with_its_key_and_does_not_stop_the_others(run, caplog):
    reconcile, seen = counting([RuntimeError("bug"), None])
    workers = run(reconcile, count=1)
    workers.add(A)
    workers.add(B)
    await until(lambda: seen == [A, B, A])
    assert "RuntimeError: bug" in caplog.text


async def test_a_reconcile_that_hangs_is_cut_off_and_tried_again(run):
    seen = []

    async def hang_once(key):
        seen.append(key)
        if len(seen) == 1:
            await asyncio.sleep(60)

    run(hang_once, limit_seconds=0.05).add(A)
    await until(lambda: seen == [A, A])


async def test_several_keys_are_worked_on_at_once_but_never_one_twice(run):
    together, most = set(), 0
    go_on = asyncio.Event()

    async def reconcile(key):
        nonlocal most
        assert key not in together
        together.add(key)
        most = max(most, len(together))
        await go_on.wait()
        together.discard(key)

    workers = run(reconcile, count=4)
    workers.add(A)
    workers.add(B)
    await until(lambda: most == 2)
    workers.add(A)
    go_on.set()
    await until(lambda: not together)


async def test_the_work_in_progress_is_finished_and_no_more_is_taken(queue):
    finished, go_on = [], asyncio.Event()

    async def reconcile(key):
        await go_on.wait()
        finished.append(key)

    workers = Workers(queue, Metrics(), count=1)
    task = asyncio.create_task(workers.run(reconcile))
    workers.add(A)
    await until(lambda: queue.running == 1)
    workers.add(B)
    workers.stop()
    go_on.set()
    await asyncio.wait_for(task, 5)
    assert finished == [A]


async def test_a_delayed_key_wakes_a_waiting_worker(run):
    reconcile, seen = counting()
    run(reconcile).add_after(A, 0.02)
    await until(lambda: seen == [A])


async def test_nothing_is_taken_before_the_work_begins_and_then_everything_known_is(queue):
    reconcile, seen = counting()
    workers = Workers(queue, Metrics(), count=1)
    workers.add(B, Priority.HIGH)
    workers.add_after(C, 60)
    assert (workers.is_working, len(queue), queue.delayed) == (False, 0, 0)
    task = asyncio.create_task(workers.run(reconcile, [A, B]))
    await until(lambda: len(seen) == 3)
    # What changed lately goes first; what only waited for its time is looked at as well.
    assert seen == [B, C, A]
    workers.stop()
    await asyncio.wait_for(task, 5)


async def test_work_that_is_cancelled_ends_and_leaves_nothing_for_the_next_tenure(queue):
    begun, cut = [], []

    async def hang(key):
        begun.append(key)
        try:
            await asyncio.sleep(60)
        finally:
            cut.append(key)

    workers = Workers(queue, Metrics(), count=1)
    tenure = asyncio.create_task(workers.run(hang, [A, B]))
    await until(lambda: begun)
    workers.add(A)
    workers.add_after(C, 60)
    tenure.cancel()
    await asyncio.wait([tenure])
    assert (cut, workers.is_working) == (begun, False)
    assert (len(queue), queue.running, queue.delayed) == (0, 0, 0)
    reconcile, seen = counting()
    workers.add(C)
    tenure = asyncio.create_task(workers.run(reconcile, [A]))
    await until(lambda: len(seen) == 2)
    assert seen == [C, A]
    workers.stop()
    await asyncio.wait_for(tenure, 5)
