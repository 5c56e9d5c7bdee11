"""The whole runtime as a process of its own, with a scripted engine: `python -m` this module.

FAKE_ENGINE_STEP_SECONDS is how long each chunk or batch takes. FAKE_ENGINE_LOAD: `slow` loads for
ever, `refuse` cannot start, `bug` fails in a way not foreseen, `mute` fails every request.
FAKE_ENGINE_LOADS_AFTER is a file that is waited for first.
"""

import asyncio
import os
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.launch import launch
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.tensor_engine import FakeTensorEngine


async def start(config: ServingConfig) -> GenerationEngine | BatchEngine:
    if awaited := os.environ.get("FAKE_ENGINE_LOADS_AFTER"):
        while not await asyncio.to_thread(Path(awaited).exists):
            await asyncio.sleep(0.02)
    match os.environ.get("FAKE_ENGINE_LOAD", ""):
        case "slow":
            await asyncio.Event().wait()
        case "refuse":
            raise CannotStart(Reason.MODEL_NOT_FOUND, "no model here", hint="look elsewhere")
        case "bug":
            raise ZeroDivisionError("division by zero")
        case _:
            pass
    step_seconds = float(os.environ.get("FAKE_ENGINE_STEP_SECONDS", "0"))
    if config.task in {Task.AUTO, Task.TEXT_GENERATION}:
        capacity = 0 if os.environ.get("FAKE_ENGINE_LOAD") == "mute" else 1024
        return FakeGenerationEngine(capacity=capacity, step_seconds=step_seconds)
    if config.task is Task.PREDICT:
        return FakeTensorEngine(step_seconds=step_seconds)
    return FakeBatchEngine(config.task, step_seconds=step_seconds)


if __name__ == "__main__":
    launch(os.environ, start)
