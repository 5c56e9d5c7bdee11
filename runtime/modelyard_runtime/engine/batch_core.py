"""The batch engine: the side that lives on the thread. Form a batch, compute, deliver."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard_runtime.engine.batch import BatchLimits, Sized, form_batch
from modelyard_runtime.engine.delivery import Parcel, deliver
from modelyard_runtime.errors import EngineFailure, RequestFault, Unavailable

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class BatchJob:
    """A request's rows. `running` and `outputs` are written by the thread only."""

    rows: Sequence[Sized]
    mailbox: "asyncio.Queue[Any]"
    running: bool = False
    outputs: list[Any] = field(default_factory=list)
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
class Place:
    """One row of a job."""

    job: BatchJob
    index: int

    @property
    def row(self) -> Sized:
        """The row itself."""
        return self.job.rows[self.index]

    @property
    def length(self) -> int:
        """Its length."""
        return self.row.length


class Computing(Protocol):
    """The model, as the core uses it."""

    def compute(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return one output per row."""
        ...

    def require_health(self) -> None:
        """Raise if the device is in an error state, in which every later batch would fail."""
        ...


class BatchCore:
    """Computes what waits, batch by batch."""

    def __init__(
        self, model: Computing, limits: BatchLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._model = model
        self._limits = limits
        self._loop = loop
        #: The first of them is computed next.
        self._waiting: list[Place] = []

    def accept(self, command: Run | Drop) -> None:
        """Queue a job's rows, or drop those not yet computed."""
        match command:
            case Run(job):
                job.outputs = [None] * len(job.rows)
                job.missing = len(job.rows)
                self._waiting += [Place(job, index) for index in range(len(job.rows))]
            case Drop(job):
                self._drop(job)

    def has_work(self) -> bool:
        """Say whether any row waits."""
        return bool(self._waiting)

    def step(self) -> None:
        """Compute one batch. What makes it fail ends its own request, not the engine."""
        batch = form_batch(self._waiting, self._limits)
        chosen = set(map(id, batch))
        served = self._waiting[0].job
        left = [place for place in self._waiting if id(place) not in chosen]
        # Requests take turns: who asks for a little does not wait for all the rows of who asks for
        # much, and the other way about.
        self._waiting = sorted(left, key=lambda place: place.job is served)
        for place in batch:
            place.job.running = True
        error = self._compute(batch)
        if error is None:
            return
        if not isinstance(error, RequestFault):  # a client's own fault is told to the client
            log.error("batch_failed", extra={"inputs": len(batch)}, exc_info=error)
        if len({id(place.job) for place in batch}) == 1:
            self._fail(batch[0].job, error)
            self._model.require_health()
        else:
            self._compute_apart(batch)

    def abandon(self, fault: Unavailable) -> None:
        """Fail every request inside."""
        jobs = {id(place.job): place.job for place in self._waiting}.values()
        deliver(self._loop, [Parcel(job.mailbox, fault) for job in jobs])

    def _compute(self, places: Sequence[Place]) -> Exception | None:
        """Compute these rows and deliver what is complete then; return what went wrong."""
        try:
            outputs = self._model.compute([place.row for place in places])
            deliver(self._loop, _complete(places, outputs))
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails requests
            return error
        return None

    def _compute_apart(self, batch: Sequence[Place]) -> None:
        """Compute each request of a failed batch by itself: one bad row must fail alone."""
        jobs = {id(place.job): place.job for place in batch}.values()
        try:
            self._model.require_health()
        except Exception as error:
            for job in jobs:
                self._fail(job, error)
            raise
        for job in jobs:
            failure = self._compute([place for place in batch if place.job is job])
            if failure is not None:
                self._fail(job, failure)

    def _fail(self, job: BatchJob, error: Exception) -> None:
        fault = (
            error
            if isinstance(error, RequestFault)
            else EngineFailure(f"the model failed on this request ({type(error).__name__})")
        )
        self._drop(job)
        deliver(self._loop, [Parcel(job.mailbox, fault)])

    def _drop(self, job: BatchJob) -> None:
        self._waiting = [place for place in self._waiting if place.job is not job]


def _complete(places: Sequence[Place], outputs: Sequence[Any]) -> list[Parcel]:
    parcels = []
    for place, output in zip(places, outputs, strict=True):
        place.job.outputs[place.index] = output
        place.job.missing -= 1
        if not place.job.missing:
            parcels.append(Parcel(place.job.mailbox, place.job.outputs))
    return parcels
