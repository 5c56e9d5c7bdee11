"""The batch engine: the side that lives on the event loop.

run ──items──▶ prepare (a thread) ──rows──▶ BatchCore (the model's thread) ──outputs──▶
finish (a thread) ──results──▶. The three overlap: while the model computes one batch, the next is
tokenised and the one before is turned into answers.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import ModelInfo, Signature
from modelyard_runtime.engine.base import Load
from modelyard_runtime.engine.batch import Sized
from modelyard_runtime.engine.batch_core import BatchJob, Computing, Drop, Run
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import InvalidRequest, Overloaded, RequestFault

log = logging.getLogger(__name__)

_MAX_RETRY_SECONDS = 60
# A waiting row is a list of numbers; the bound keeps the wait short.
_ROWS_PER_WAITING = 64
# Of the memory, what rows that wait may take where they are pictures or sounds.
_MEMORY_SHARE = 8
_NEWEST_WEIGHT = 0.2


class Backend(Computing, Protocol):
    """A task's work around the model; each method is called on a thread of its own.

    An item may take several rows of the model: a text and each of its candidate labels, a long
    document's windows. Where rows are large, `row_bytes` says how large, and `count_held(rows)` how
    many of them are not parts of others.
    """

    def sample(self) -> Any:
        """Return a small item that this model can answer."""
        ...

    def prepare(self, item: Any) -> Sequence[Sized]:
        """Return an item's rows, at least one.

        Raises:
            InvalidRequest: it is empty, too long, or cannot be read.
        """
        ...

    def finish(self, item: Any, rows: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return an item's result from what the model made of its rows."""
        ...


class QueueingEngine:
    """Answers many items in each step of the model."""

    def __init__(
        self,
        worker: Worker[Run | Drop],
        info: ModelInfo,
        backend: Backend,
        capacity: Capacity,
        *,
        signature: Signature | None = None,
        unexplained: str = "It is served in a form that has no gradients.",
    ) -> None:
        self.info = info
        self.abandoned = 0
        #: Requests whose items are being prepared, or wait for that: pictures take a while.
        self.unprepared = 0
        #: Of models that take tensors by name; None where a task says what goes in.
        self.signature = signature
        #: Why its answers cannot be explained; empty where they can.
        self.unexplained = unexplained
        self.sample = backend.sample
        self._worker = worker
        self._backend = backend
        self._max_rows = capacity.max_waiting * _ROWS_PER_WAITING
        self._max_held = self._max_rows
        if row_bytes := getattr(backend, "row_bytes", 0):
            self._max_held = max(capacity.memory_bytes // _MEMORY_SHARE // row_bytes, 1)
        # Of a job's rows, how many take memory of their own.
        self._count_held: Callable[[Sequence[Sized]], int] = getattr(backend, "count_held", len)
        #: The jobs inside, each with the rows that it holds in memory.
        self._inside: dict[BatchJob, int] = {}
        self._seconds_per_row = 0.01
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._finishing = ThreadPoolExecutor(1, thread_name_prefix="finish")

    @property
    def load(self) -> Load:
        """Requests inside, now."""
        running = sum(1 for job in self._inside if job.running)
        return Load(running=running, waiting=len(self._inside) - running + self.unprepared)

    @property
    def alive(self) -> bool:
        """False once the thread that owns the model has ended or hangs."""
        return self._worker.alive

    async def run(self, items: Sequence[Any]) -> list[Any]:
        """Return one result per item, in order; see BatchEngine.run."""
        if not items:
            return []
        self._refuse_overload(len(items), held=len(items))
        loop = asyncio.get_running_loop()
        with self._awaiting_rows():
            groups = await loop.run_in_executor(self._preparing, _prepare, self._backend, items)
        rows = [row for group in groups for row in group]
        held = self._count_held(rows)
        self._refuse_overload(len(rows), held=held)
        outputs = await self._compute(rows, held)
        return await loop.run_in_executor(
            self._finishing, _finish, self._backend, items, groups, outputs
        )

    async def close(self) -> None:
        """End the thread. Requests still inside fail with Unavailable."""
        await self._worker.close()
        self._preparing.shutdown(wait=False)
        self._finishing.shutdown(wait=False)

    async def _compute(self, rows: Sequence[Sized], held: int) -> list[Any]:
        job = BatchJob(rows, asyncio.Queue())
        self._worker.put(Run(job))
        began = time.monotonic()
        with self._counted(job, held):
            content = await job.mailbox.get()
        if isinstance(content, RequestFault):
            raise content
        seconds = (time.monotonic() - began) / len(rows)
        self._seconds_per_row += _NEWEST_WEIGHT * (seconds - self._seconds_per_row)
        outputs: list[Any] = content
        return outputs

    @contextmanager
    def _awaiting_rows(self) -> Iterator[None]:
        """Count a request as waiting while its items are prepared."""
        self.unprepared += 1
        try:
            yield
        except asyncio.CancelledError:
            self._note_absence()
            raise
        finally:
            self.unprepared -= 1

    def _note_absence(self) -> None:
        self.abandoned += 1
        log.info("client_left", extra={"total": self.abandoned})

    @contextmanager
    def _counted(self, job: BatchJob, held: int) -> Iterator[None]:
        """Count the job as inside; when its client leaves, have it dropped."""
        self._inside[job] = held
        try:
            yield
        except asyncio.CancelledError:
            self._note_absence()
            self._worker.put_quietly(Drop(job))
            raise
        finally:
            del self._inside[job]

    def _refuse_overload(self, wanted: int, *, held: int) -> None:
        inside = sum(len(job.rows) for job in self._inside)
        is_long = inside + wanted > self._max_rows
        is_large = sum(self._inside.values()) + held > self._max_held
        # However large, a request alone is taken: it would never fit otherwise.
        if self._inside and (is_long or is_large):
            seconds = math.ceil(inside * self._seconds_per_row)
            raise Overloaded(
                f"{inside} inputs are waiting, and there is no room for {wanted} more",
                retry_after_seconds=min(max(seconds, 1), _MAX_RETRY_SECONDS),
            )


def _prepare(backend: Backend, items: Sequence[Any]) -> list[Sequence[Sized]]:
    groups = []
    for number, item in enumerate(items):
        try:
            groups.append(backend.prepare(item))
        except InvalidRequest as fault:
            if len(items) == 1:
                raise
            message = f"input {number}: {fault.message}"
            raise InvalidRequest(message, param=fault.param, code=fault.code) from fault
    return groups


def _finish(
    backend: Backend,
    items: Sequence[Any],
    groups: Sequence[Sequence[Sized]],
    outputs: Sequence[Any],
) -> list[Any]:
    results = []
    start = 0
    for item, rows in zip(items, groups, strict=True):
        end = start + len(rows)
        results.append(backend.finish(item, rows, outputs[start:end]))
        start = end
    return results
