"""The thread that owns the model: starting, failing to start, dying."""

import asyncio
import threading

import pytest

from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import Unavailable


class Recorder:
    """Takes commands and notes on which thread; `die` makes the next step raise."""

    def __init__(self):
        self.taken = []
        self.threads = set()
        self.fault = None
        self.abandoned = threading.Event()

    def accept(self, command):
        self.taken.append(command)

    def has_work(self):
        return "die" in self.taken

    def step(self):
        self.threads.add(threading.current_thread().name)
        raise RuntimeError("died as asked")

    def abandon(self, fault):
        self.fault = fault
        self.abandoned.set()


async def test_what_fails_to_build_raises_where_it_is_started():
    worker = Worker("test")

    def build():
        raise LookupError("no such model")

    with pytest.raises(LookupError, match="no such model"):
        await worker.start(build)
    assert not worker.alive
    with pytest.raises(Unavailable):
        worker.put("too late")
    await worker.close()


async def test_a_step_that_raises_ends_the_thread_and_says_so():
    worker, core = Worker("test"), Recorder()
    assert await worker.start(lambda: (core, "result")) == "result"
    assert worker.alive
    worker.put("one")
    worker.put("die")
    assert await asyncio.to_thread(core.abandoned.wait, 10)
    assert (core.taken, core.threads) == (["one", "die"], {"test"})
    assert str(core.fault) == "the engine has died; it needs a restart"
    assert not worker.alive
    with pytest.raises(Unavailable, match="died"):
        worker.put("too late")
    worker.put_quietly("too late")


async def test_closing_ends_the_thread():
    worker, core = Worker("test"), Recorder()
    await worker.start(lambda: (core, None))
    await worker.close()
    assert str(core.fault) == "the model is being stopped"
    assert "test" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(Unavailable, match="stopped"):
        worker.put("too late")
    await worker.close()
