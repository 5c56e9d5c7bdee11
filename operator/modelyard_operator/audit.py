"""The audit: lists what there is, and compares it with what the watch has told.

kopf's watch loses deletions that happen before it lists again, since it does not compare, and it
can end without anybody noticing. The reflectors of children need no such help.
"""

import asyncio
import logging
from time import monotonic

from modelyard_kube.backoff import Backoff
from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError
from modelyard_operator.cluster import MODELS
from modelyard_operator.errors import WatchLost
from modelyard_operator.intake import Intake, Stamp, read_stamp
from modelyard_operator.metrics import Metrics
from modelyard_operator.records import Key

logger = logging.getLogger(__name__)


class Audit:
    """Compares at intervals; metadata only, so that thousands of objects cost little."""

    def __init__(
        self,
        client: KubeClient,
        intake: Intake,
        metrics: Metrics,
        *,
        backoff: Backoff,
        every_seconds: float,
    ) -> None:
        self._client = client
        self._intake = intake
        self._metrics = metrics
        self._backoff = backoff
        self._every_seconds = every_seconds
        #: When a comparison last found that the watch had told everything.
        self.last_good = monotonic()

    async def run(self) -> None:
        """Compare until cancelled.

        Raises:
            WatchLost: an event that was missing at one comparison was still missing at the next.
        """
        while True:
            await asyncio.sleep(self._backoff.spread(self._every_seconds))
            try:
                is_alive = await self._compare()
            except ClusterError as error:
                logger.warning("audit skipped: %s", error)
                continue
            if not is_alive:
                raise WatchLost(
                    "the watch of ModelDeployments has missed events for "
                    f"{self._every_seconds:.0f} s; ending, so that a new process starts"
                )

    async def _compare(self) -> bool:
        before = self._intake.snapshot()
        listed: dict[Key, Stamp] = {}
        async for page in self._client.list_metadata(MODELS):
            for item in page.items:
                metadata = item["metadata"]
                key = Key(metadata["namespace"], metadata["name"])
                listed[key] = read_stamp(metadata)
        is_alive = self._intake.compare(before, listed)
        self._metrics.lag.set(self._intake.owed)
        if self._intake.owed:
            logger.warning("audit found %d objects whose events are missing", self._intake.owed)
        else:
            self.last_good = monotonic()
        return is_alive
