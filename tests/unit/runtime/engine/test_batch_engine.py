"""The batch engine on a toy model: order, batching, leaving, failing, closing."""

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import Embedding, ModelInfo, TextInput
from modelyard_runtime.engine.backends.texts import TokenRow
from modelyard_runtime.engine.base import Load
from modelyard_runtime.engine.batch import BatchLimits
from modelyard_runtime.engine.batch_core import BatchCore, BatchJob, Run
from modelyard_runtime.engine.batch_engine import QueueingEngine
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import EngineFailure, Overloaded, Unavailable

SOON = 10
INFO = ModelInfo("toy", Task.EMBEDDINGS, "toy", "cpu", "int", 1, 1, 100)
CAPACITY = Capacity(threads=1, memory_bytes=1, max_slots=4, max_waiting=1)


class ToyEncoder:
    """An input's vector is its tokens' sum. Token 13 fails the batch."""

    def __init__(self, *, is_sick=False):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.is_sick = is_sick

    def sample(self):
        return TextInput((1,))

    def prepare(self, item):
        return [TokenRow(item.content)]

    def compute(self, rows):
        self.entered.set()
        assert self.gate.wait(SOON), "the test never opened the gate"
        self.batches.append([row.length for row in rows])
        if any(13 in row.tokens for row in rows):
            raise RuntimeError("unlucky")
        return [sum(row.tokens) for row in rows]

    def finish(self, _item, rows, outputs):
        return Embedding(np.float32([sum(outputs)]), sum(row.length for row in rows))

    def require_health(self):
        if self.is_sick:
            raise RuntimeError("the toy device is in an error state")


LIMITS = BatchLimits(4, 100)


@asynccontextmanager
async def running(encoder=None, *, limits=LIMITS, memory_bytes=1):
    encoder = encoder or ToyEncoder()
    worker = Worker("toy")
    core = BatchCore(encoder, limits, asyncio.get_running_loop())
    await worker.start(lambda: (core, None))
    capacity = replace(CAPACITY, memory_bytes=memory_bytes)
    engine = QueueingEngine(worker, INFO, encoder, capacity)
    try:
        yield engine
    finally:
        encoder.gate.set()
        await engine.close()


def texts(*tokens):
    return [TextInput(tuple(one)) for one in tokens]


async def embed(engine, *tokens):
    results = await engine.run(texts(*tokens))
    return [(result.vector.item(), result.tokens) for result in results]


async def test_results_come_in_the_order_of_the_inputs():
    encoder = ToyEncoder()
    async with running(encoder) as engine:
        answer = await embed(engine, [1] * 30, [2], [3] * 20, [4, 4], [5])
        assert await embed(engine) == []
    assert answer == [(30, 30), (2, 1), (60, 20), (8, 2), (5, 1)]
    assert encoder.batches == [[1, 20, 30], [1, 2]] or encoder.batches[0][-1] == 30


async def test_what_waits_is_computed_together():
    encoder = ToyEncoder()
    encoder.gate.clear()
    async with running(encoder) as engine:
        first = asyncio.create_task(embed(engine, [1]))
        await asyncio.to_thread(encoder.entered.wait, SOON)
        others = [asyncio.create_task(embed(engine, [n])) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        while engine.unprepared or engine.load != Load(running=1, waiting=3):
            await asyncio.sleep(0)
        encoder.gate.set()
        answers = await asyncio.gather(first, *others)
        assert engine.load == Load(0, 0)
    assert answers == [[(1, 1)], [(2, 1)], [(3, 1)], [(4, 1)]]
    assert encoder.batches == [[1], [1, 1, 1]]


async def test_who_leaves_is_not_computed():
    encoder = ToyEncoder()
    encoder.gate.clear()
    async with running(encoder) as engine:
        first = asyncio.create_task(embed(engine, [1]))
        await asyncio.to_thread(encoder.entered.wait, SOON)
        leaving = asyncio.create_task(embed(engine, [2, 2]))
        while engine.unprepared or engine.load.waiting != 1:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert (engine.load, engine.abandoned) == (Load(1, 0), 1)
        encoder.gate.set()
        assert await first == [(1, 1)]
        assert await embed(engine, [3]) == [(3, 1)]
    assert encoder.batches == [[1], [1]]


class SlowToPrepare(ToyEncoder):
    """Items are prepared when the test says so."""

    def __init__(self):
        super().__init__()
        self.prepared = []
        self.may_prepare = threading.Event()
        self.is_preparing = threading.Event()

    def prepare(self, item):
        self.is_preparing.set()
        assert self.may_prepare.wait(SOON), "the test never let it prepare"
        self.prepared.append(item.content)
        return super().prepare(item)


async def test_who_is_being_prepared_waits_and_may_leave():
    encoder = SlowToPrepare()
    async with running(encoder) as engine:
        first = asyncio.create_task(embed(engine, [1]))
        await asyncio.to_thread(encoder.is_preparing.wait, SOON)
        leaving = asyncio.create_task(embed(engine, [2]))
        while engine.load != Load(running=0, waiting=2):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert (engine.load, engine.abandoned) == (Load(0, 1), 1)
        encoder.may_prepare.set()
        assert await first == [(1, 1)]
        assert await embed(engine, [3]) == [(3, 1)]
        assert engine.load == Load(0, 0)
    assert encoder.prepared == [(1,), (3,)]


async def test_large_rows_are_fewer():
    """Of a memory of one byte nothing is left: one row, and no second."""
    encoder = ToyEncoder()
    encoder.row_bytes = 1000
    encoder.gate.clear()
    async with running(encoder) as engine:
        inside = asyncio.create_task(embed(engine, [1]))
        await asyncio.to_thread(encoder.entered.wait, SOON)
        with pytest.raises(Overloaded):
            await embed(engine, [2])
        encoder.gate.set()
        assert await inside == [(1, 1)]


async def test_large_rows_that_share_their_content_count_once():
    """Of a memory for two rows, a request with six points of one picture takes one."""
    encoder = ToyEncoder()
    encoder.row_bytes = 1000
    encoder.count_held = lambda rows: len({row.tokens for row in rows})
    encoder.gate.clear()
    async with running(encoder, memory_bytes=2 * 8 * 1000) as engine:
        inside = [asyncio.create_task(embed(engine, *[[1]] * 6))]
        await asyncio.to_thread(encoder.entered.wait, SOON)
        inside.append(asyncio.create_task(embed(engine, [2])))
        while engine.load != Load(running=1, waiting=1):
            await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="7 inputs are waiting, and there is no room for 1"):
            await embed(engine, [3])
        encoder.gate.set()
        assert await asyncio.gather(*inside) == [[(1, 1)] * 6, [(2, 1)]]


async def test_a_failing_batch_fails_its_requests_only():
    async with running() as engine:
        with pytest.raises(EngineFailure, match="RuntimeError"):
            await embed(engine, [13], [1])
        assert await embed(engine, [3]) == [(3, 1)]
        assert (engine.alive, engine.load) == (True, Load(0, 0))


async def test_one_bad_item_fails_alone():
    encoder = ToyEncoder()
    encoder.gate.clear()
    async with running(encoder) as engine:
        first = asyncio.create_task(embed(engine, [1]))
        await asyncio.to_thread(encoder.entered.wait, SOON)
        others = [asyncio.create_task(embed(engine, *rows)) for rows in ([[2]], [[13]], [[3], [4]])]
        while engine.unprepared or engine.load != Load(running=1, waiting=3):
            await asyncio.sleep(0)
        encoder.gate.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        assert engine.alive
    assert [type(answer) for answer in answers] == [list, list, EngineFailure, list]
    assert answers[1::2] == [[(2, 1)], [(3, 1), (4, 1)]]
    assert encoder.batches == [[1], [1, 1, 1, 1], [1], [1], [1, 1]]


async def test_a_sick_device_ends_the_engine_and_all_who_wait():
    encoder = ToyEncoder(is_sick=True)
    encoder.gate.clear()
    async with running(encoder, limits=BatchLimits(1, 100)) as engine:
        waiting = [asyncio.create_task(embed(engine, [n])) for n in (13, 1)]
        while engine.unprepared or engine.load != Load(running=1, waiting=1):
            await asyncio.sleep(0)
        encoder.gate.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineFailure, Unavailable]
        assert not engine.alive


async def test_a_full_queue_refuses_with_the_time_to_wait():
    encoder = ToyEncoder()
    encoder.gate.clear()
    async with running(encoder) as engine:
        inside = asyncio.create_task(embed(engine, *[[1]] * 64))
        await asyncio.to_thread(encoder.entered.wait, SOON)
        with pytest.raises(Overloaded) as caught:
            await embed(engine, [2])
        assert 1 <= caught.value.retry_after_seconds <= 60
        encoder.gate.set()
        assert await inside == [(1, 1)] * 64


def submit(core, length, rows):
    """Rows of that length; the job, whose `missing` counts those not yet computed."""
    job = BatchJob([TokenRow((1,) * length)] * rows, asyncio.Queue())
    core.accept(Run(job))
    return job


def count_steps(core, job, *, between=lambda: None):
    """Steps until the job is complete; at least one is taken."""
    steps = 0
    while job.missing:
        core.step()
        steps += 1
        between()
    return steps


async def test_who_asks_for_a_little_waits_for_one_step_of_each_before():
    core = BatchCore(ToyEncoder(), LIMITS, asyncio.get_running_loop())
    for _ in range(3):
        submit(core, 90, rows=6)
    for _ in range(4):
        core.step()
    assert count_steps(core, submit(core, 1, rows=2)) <= 4


async def test_who_asks_for_much_is_not_kept_waiting_by_newcomers():
    core = BatchCore(ToyEncoder(), LIMITS, asyncio.get_running_loop())
    much = submit(core, 90, rows=6)
    assert count_steps(core, much, between=lambda: submit(core, 1, rows=1)) <= 12
