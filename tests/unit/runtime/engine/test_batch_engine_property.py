"""Whoever leaves or fails beside it, each request gets the answer to its own question."""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import ModelInfo
from modelyard_runtime.engine.base import Load
from modelyard_runtime.engine.batch import BatchLimits
from modelyard_runtime.engine.batch_core import BatchCore
from modelyard_runtime.engine.batch_engine import QueueingEngine
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import EngineFailure

INFO = ModelInfo("toy", Task.EMBEDDINGS, "toy", "cpu", "int", 1, 1, 100)
CAPACITY = Capacity(threads=1, memory_bytes=1, max_slots=4, max_waiting=1000)


@dataclass(frozen=True)
class Number:
    """A row of this length; 13 makes its batch fail."""

    length: int


class Squares:
    """An item is a tuple of numbers, each a row; its result is their squares."""

    def sample(self):
        return (1,)

    def prepare(self, item):
        return [Number(one) for one in item]

    def compute(self, rows):
        if any(row.length == 13 for row in rows):
            raise RuntimeError("unlucky")
        return [row.length**2 for row in rows]

    def finish(self, item, rows, outputs):
        assert tuple(row.length for row in rows) == item
        return tuple(outputs)

    def require_health(self):
        pass


ITEMS = st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple)
REQUESTS = st.lists(st.lists(ITEMS, min_size=1, max_size=4), min_size=1, max_size=16)


def expected(items):
    if any(13 in item for item in items):
        return EngineFailure
    return [tuple(one**2 for one in item) for item in items]


async def ask(requests, leavers, limits):
    worker = Worker("toy")
    core = BatchCore(Squares(), limits, asyncio.get_running_loop())
    await worker.start(lambda: (core, None))
    engine = QueueingEngine(worker, INFO, Squares(), CAPACITY)
    try:
        asking = [asyncio.create_task(engine.run(items)) for items in requests]
        await asyncio.sleep(0)
        for number in leavers:
            asking[number].cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert (engine.alive, engine.load) == (True, Load(0, 0))
    finally:
        await engine.close()
    return answers


@settings(max_examples=60)
@given(st.data())
def test_answers_are_never_mixed_up(data):
    requests = data.draw(REQUESTS)
    leavers = data.draw(st.sets(st.integers(0, len(requests) - 1), max_size=4))
    limits = BatchLimits(data.draw(st.integers(1, 8)), data.draw(st.integers(1, 80)))
    answers = asyncio.run(ask(requests, leavers, limits))
    for number, (items, answer) in enumerate(zip(requests, answers, strict=True)):
        if number in leavers:
            assert isinstance(answer, asyncio.CancelledError)
        elif expected(items) is EngineFailure:
            assert isinstance(answer, EngineFailure)
        else:
            assert answer == expected(items)
