"""The generation engine around the toy backend, and ways to ask it."""

import asyncio
from contextlib import asynccontextmanager

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import GenerateRequest, ModelInfo, Sampling
from modelyard_runtime.engine.generation import ContinuousEngine
from modelyard_runtime.engine.generation_core import GenerationCore
from modelyard_runtime.engine.scheduler import Limits
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import InvalidRequest
from tests.support.toy_backend import VOCABULARY, ToyBackend

SOON = 10
CONTEXT = 384
INFO = ModelInfo("toy", Task.TEXT_GENERATION, "toy", "cpu", "int", 1, 1, CONTEXT)
CAPACITY = Capacity(threads=1, memory_bytes=1, max_slots=4, max_waiting=4)


class NumberPrompts:
    """`1 2 3` are the tokens 1, 2 and 3."""

    takes_chats = False

    def encode(self, prompt):
        return [int(word) for word in prompt.split()]

    def require_known(self, tokens, *, param):
        for token in tokens:
            if token >= VOCABULARY:
                raise InvalidRequest(f"{token} is no toy token", param=param)

    def close(self):
        pass


@asynccontextmanager
async def running(backend=None, *, capacity=CAPACITY):
    backend = backend or ToyBackend()
    loop = asyncio.get_running_loop()
    worker = Worker("toy")
    limits = Limits(capacity.max_slots, min(backend.cache_tokens, 10**9), 8, 32)
    core = GenerationCore(backend, limits, loop)
    await worker.start(lambda: (core, None))
    engine = ContinuousEngine(worker, INFO, NumberPrompts(), capacity)
    try:
        yield engine
    finally:
        backend.gate.set()
        await engine.close()


def request(prompt, *, n=1, **sampling):
    text = " ".join(str(token) for token in prompt)
    return GenerateRequest("id", text, Sampling(**{"temperature": 0, **sampling}), n)


async def collect(generation):
    """Return the text and the finish reason of each choice."""
    chunks = [chunk async for chunk in generation]
    count = max(chunk.index for chunk in chunks) + 1
    return [
        (
            "".join(chunk.text for chunk in chunks if chunk.index == index),
            [
                chunk.finish_reason
                for chunk in chunks
                if chunk.index == index and chunk.finish_reason
            ],
        )
        for index in range(count)
    ]
