"""Working on the queue: so many keys at a time, each to its end, and waiting when there is none."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from time import monotonic

from modelyard_kube.errors import ClusterError, WriteKeptBack
from modelyard_operator.backlog import Backlog
from modelyard_operator.logs import reconcile_context
from modelyard_operator.metrics import Metrics, Outcome
from modelyard_operator.records import Key
from modelyard_operator.workqueue import Priority, WorkQueue

logger = logging.getLogger(__name__)

#: A leader that dies is noticed within 15 seconds; what it left undone is not older than this.
_LATE_SECONDS = 30.0

_UNANSWERED = 0
#: With these the API server refuses us and not the object.
_OF_ALL = frozenset(
    {
        _UNANSWERED,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)

Reconcile = Callable[[Key], Awaitable[float | None]]


class Workers:
    """A bounded number of tasks on one queue, while they run; they rest in a standby.

    A standby's queue is empty. Its keys would only pile up, since another process works on them.
    """

    def __init__(
        self,
        queue: WorkQueue[Key],
        metrics: Metrics,
        *,
        count: int,
        limit_seconds: float = 60.0,
    ) -> None:
        self._queue = queue
        self._metrics = metrics
        self._count = count
        self._limit_seconds = limit_seconds
        self._wake = asyncio.Event()
        self._is_working = False
        self._is_stopping = False
        self._backlog: Backlog[Key] = Backlog(now=monotonic, keep_seconds=_LATE_SECONDS)

    @property
    def is_working(self) -> bool:
        """Whether keys are worked on, here and now."""
        return self._is_working

    def add(self, key: Key, priority: Priority = Priority.NORMAL) -> None:
        """Have a key looked at."""
        if not self._is_working:
            self._backlog.add(key, priority)
            return
        self._metrics.adds.labels(priority.name.lower()).inc()
        self._queue.add(key, priority)
        self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Have a key looked at later."""
        if not self._is_working:
            self._backlog.add(key, Priority.NORMAL)
            return
        self._queue.add_after(key, seconds)
        self._wake.set()

    def stop(self) -> None:
        """Take no more keys; `run` returns when the work in progress is done."""
        self._is_stopping = True
        self._wake.set()

    async def run(self, reconcile: Reconcile, known: Iterable[Key] = ()) -> None:
        """Work until stopped or cancelled, on every known key first, late changes before others.

        What `reconcile` returns is when to look at the key again.
        """
        self._is_working = True
        for key in known:
            self.add(key, Priority.LOW)
        for key, priority in self._backlog.drain():
            self.add(key, priority)
        try:
            await self._work(reconcile)
        finally:
            self._is_working = False
            self._queue.clear()

    async def _work(self, reconcile: Reconcile) -> None:
        slots = asyncio.Semaphore(self._count)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                key = await self._next()
                if key is None:
                    return
                task = group.create_task(self._work_on(key, reconcile), name=f"reconcile {key}")
                task.add_done_callback(lambda _: slots.release())

    async def _next(self) -> Key | None:
        while not self._is_stopping:
            taken = self._queue.take()
            if taken is not None:
                self._metrics.wait_seconds.observe(taken.waited_seconds)
                return taken.key
            self._wake.clear()
            try:
                async with asyncio.timeout(self._queue.seconds_until_due()):
                    await self._wake.wait()
            except TimeoutError:
                pass
        return None

    async def _work_on(self, key: Key, reconcile: Reconcile) -> None:
        try:
            await self._try(key, reconcile)
        finally:
            self._metrics.work_seconds.observe(self._queue.done(key))
            self._wake.set()

    async def _try(self, key: Key, reconcile: Reconcile) -> None:
        with reconcile_context(key):
            try:
                async with asyncio.timeout(self._limit_seconds):
                    recheck_seconds = await reconcile(key)
            except ClusterError as error:
                wait = self._queue.retry(key, error.retry_after, is_outage=_is_outage(error))
                self._metrics.outcomes.labels(Outcome.RETRY).inc()
                logger.warning("try again in %.1f s: %s", wait, error)
            except Exception:
                # A fault of ours in one object must not end the work on all the others.
                wait = self._queue.retry(key)
                self._metrics.outcomes.labels(Outcome.FAULT).inc()
                logger.exception("fault; try again in %.1f s", wait)
            else:
                self._queue.succeed(key)
                self._metrics.outcomes.labels(Outcome.DONE).inc()
                if recheck_seconds is not None:
                    self._queue.add_after(key, recheck_seconds)


def _is_outage(error: ClusterError) -> bool:
    """Whether any other key would have met it too: no answer, overload, errors, no rights."""
    if isinstance(error, WriteKeptBack):
        return False
    return error.status in _OF_ALL or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
