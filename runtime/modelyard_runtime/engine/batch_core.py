"""The batch engine: the side that lives on the thread. Form a batch, compute, deliver."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard_runtime.domain import BatchResult
from modelyard_runtime.engine.batch import BatchLimits, form_batch
from modelyard_runtime.engine.delivery import Parcel, deliver
from modelyard_runtime.errors import EngineFailure, Unavailable

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class BatchJob:
    """A request of one or more inputs. `running` and `results` are written by the thread only."""

    inputs: list[list[int]]
    mailbox: "asyncio.Queue[Any]"
    running: bool = False
    results: list[BatchResult | None] = field(default_factory=list)
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """Command: compute this job."""

    job: BatchJob


@dataclass(frozen=True, slots=True)
class Drop:
    """Command: the client has gone."""

    job: BatchJob


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a job."""

    job: BatchJob
    index: int

    @property
    def tokens(self) -> list[int]:
        """The input's tokens."""
        return self.job.inputs[self.index]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.tokens)


class BatchBackend(Protocol):
    """The model, as the core uses it."""

    def compute(self, inputs: Sequence[Sequence[int]]) -> list[BatchResult]:
        """Return one result per input."""
        ...

    def require_health(self) -> None:
        """Raise if the device is in an error state, in which every later batch would fail."""
        ...


class BatchCore:
    """Computes what waits, batch by batch."""

    def __init__(
        self, backend: BatchBackend, limits: BatchLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._backend = backend
        self._limits = limits
        self._loop = loop
        self._waiting: list[Input] = []

    def accept(self, command: Run | Drop) -> None:
        """Queue a job's inputs, or drop those not yet computed."""
        match command:
            case Run(job):
                job.results = [None] * len(job.inputs)
                job.missing = len(job.inputs)
                self._waiting += [Input(job, index) for index in range(len(job.inputs))]
            case Drop(job):
                self._drop({id(job)})

    def has_work(self) -> bool:
        """Say whether any input waits."""
        return bool(self._waiting)

    def step(self) -> None:
        """Compute one batch. A failure ends the requests in it, not the engine."""
        batch = form_batch(self._waiting, self._limits)
        chosen = set(map(id, batch))
        self._waiting = [item for item in self._waiting if id(item) not in chosen]
        for item in batch:
            item.job.running = True
        try:
            results = self._backend.compute([item.tokens for item in batch])
        except Exception as error:
            log.exception("batch_failed", extra={"inputs": len(batch)})
            deliver(self._loop, self._fail(batch, error))
            self._backend.require_health()
            return
        deliver(self._loop, _complete(batch, results))

    def abandon(self, fault: Unavailable) -> None:
        """Fail every request inside."""
        jobs = {id(item.job): item.job for item in self._waiting}.values()
        deliver(self._loop, [Parcel(job.mailbox, fault) for job in jobs])

    def _fail(self, batch: Sequence[Input], error: Exception) -> list[Parcel]:
        fault = EngineFailure(f"the model failed on this request ({type(error).__name__})")
        jobs = {id(item.job): item.job for item in batch}
        self._drop(set(jobs))
        return [Parcel(job.mailbox, fault) for job in jobs.values()]

    def _drop(self, jobs: set[int]) -> None:
        self._waiting = [item for item in self._waiting if id(item.job) not in jobs]


def _complete(batch: Sequence[Input], results: Sequence[BatchResult]) -> list[Parcel]:
    parcels = []
    for item, result in zip(batch, results, strict=True):
        item.job.results[item.index] = result
        item.job.missing -= 1
        if not item.job.missing:
            parcels.append(Parcel(item.job.mailbox, item.job.results))
    return parcels
