"""Which of several replicas writes: the one that holds the lease. The others are ready to.

A process that loses the lease stands by again and does not end. What makes that safe is not its
end but the fence in front of every write, and that all work of a tenure has ended before the
lease is stood for anew. So an API server that is away for a minute costs no replica its caches,
and nobody a restart that says nothing about Modelyard.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from modelyard_kube.events import EventRecorder
from modelyard_kube.lease_election import LeaseElection
from modelyard_operator.reconciler import Reconciler
from modelyard_operator.records import Key
from modelyard_operator.workers import Workers

logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 2.0


class Leadership:
    """Puts the lease in front of the workers."""

    def __init__(
        self,
        election: LeaseElection,
        workers: Workers,
        reconciler: Reconciler,
        recorder: EventRecorder,
        *,
        find_known: Callable[[], Iterable[Key]],
        drain_seconds: float,
    ) -> None:
        self._election = election
        self._workers = workers
        self._reconciler = reconciler
        self._recorder = recorder
        self._find_known = find_known
        self._drain_seconds = drain_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Stand for the lease, work while it holds, and again, until told to stop; release it."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._stand(stopping)
                if self._election.may_write():
                    await self._lead(stopping)
        finally:
            stopping.cancel()
            await self._election.release()

    async def _stand(self, stopping: asyncio.Task[bool]) -> None:
        logger.info("standing by")
        async with asyncio.TaskGroup() as candidacy:
            winning = candidacy.create_task(self._election.win())
            await asyncio.wait({winning, stopping}, return_when=asyncio.FIRST_COMPLETED)
            winning.cancel()

    async def _lead(self, stopping: asyncio.Task[bool]) -> None:
        async with asyncio.TaskGroup() as tenure:
            keeping = tenure.create_task(self._election.keep())
            working = tenure.create_task(
                self._workers.run(self._reconciler.reconcile, self._find_known())
            )
            await asyncio.wait({keeping, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await self._drain(keeping, working)
            # Cut off in the middle of something: whoever leads next finds out and goes on.
            working.cancel()
            keeping.cancel()
        # Others may lead next: what this tenure remembers will not hold in a later one.
        self._reconciler.forget_all()

    async def _drain(self, keeping: asyncio.Task[None], working: asyncio.Task[None]) -> None:
        logger.info("stopping: finishing the work in progress")
        self._workers.stop()
        await asyncio.wait(
            {keeping, working}, timeout=self._drain_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        await self._recorder.flush(_FLUSH_SECONDS)
