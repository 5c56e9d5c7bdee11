"""The batch engine: the side that lives on the event loop."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import BatchResult, ModelInfo, TextInput
from modelyard_runtime.engine.base import Load
from modelyard_runtime.engine.batch_core import BatchJob, Drop, Run
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import Overloaded, RequestFault

log = logging.getLogger(__name__)

_MAX_RETRY_SECONDS = 60
# A waiting input is a list of numbers; the bound keeps the wait short.
_INPUTS_PER_WAITING = 64
_NEWEST_WEIGHT = 0.2


class Texts(Protocol):
    """Turns inputs into tokens; called off the event loop and off the engine's thread."""

    def encode(self, inputs: Sequence[TextInput]) -> list[list[int]]:
        """Return the tokens of each.

        Raises:
            InvalidRequest: an input is empty or longer than the context.
        """
        ...


class QueueingEngine:
    """Answers each input in one step of the model, many inputs per step."""

    def __init__(
        self, worker: Worker[Run | Drop], info: ModelInfo, texts: Texts, capacity: Capacity
    ) -> None:
        self.info = info
        self.abandoned = 0
        self._worker = worker
        self._texts = texts
        self._max_inputs = capacity.max_waiting * _INPUTS_PER_WAITING
        self._inside: dict[BatchJob, float] = {}
        self._seconds_per_input = 0.01
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="tokenise")

    @property
    def load(self) -> Load:
        """Requests inside, now."""
        running = sum(1 for job in self._inside if job.running)
        return Load(running=running, waiting=len(self._inside) - running)

    @property
    def alive(self) -> bool:
        """False once the thread that owns the model has ended or hangs."""
        return self._worker.alive

    async def run(self, inputs: Sequence[TextInput]) -> list[BatchResult]:
        """Return one result per input, in order; see BatchEngine.run."""
        if not inputs:
            return []
        self._refuse_overload(len(inputs))
        loop = asyncio.get_running_loop()
        tokens = await loop.run_in_executor(self._tokenising, self._texts.encode, inputs)
        self._refuse_overload(len(inputs))
        job = BatchJob(tokens, asyncio.Queue())
        self._worker.put(Run(job))
        began = time.monotonic()
        self._inside[job] = began
        try:
            content = await job.mailbox.get()
        except asyncio.CancelledError:
            self.abandoned += 1
            log.info("client_left", extra={"total": self.abandoned})
            self._worker.put_quietly(Drop(job))
            raise
        finally:
            del self._inside[job]
        if isinstance(content, RequestFault):
            raise content
        seconds = (time.monotonic() - began) / len(inputs)
        self._seconds_per_input += _NEWEST_WEIGHT * (seconds - self._seconds_per_input)
        results: list[BatchResult] = content
        return results

    async def close(self) -> None:
        """End the thread. Requests still inside fail with Unavailable."""
        await self._worker.close()
        self._tokenising.shutdown(wait=False)

    def _refuse_overload(self, wanted: int) -> None:
        inside = sum(len(job.inputs) for job in self._inside)
        # However large, a request alone is taken: it would never fit otherwise.
        if self._inside and inside + wanted > self._max_inputs:
            seconds = math.ceil(inside * self._seconds_per_input)
            raise Overloaded(
                f"{inside} inputs are waiting, and there is no room for {wanted} more",
                retry_after_seconds=min(max(seconds, 1), _MAX_RETRY_SECONDS),
            )
