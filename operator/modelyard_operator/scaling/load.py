"""Asking ready pods how busy they are, at their `/metrics`. What does not answer is unknown."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from types import TracebackType
from typing import Final, Protocol, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from modelyard_api.meta import Metric
from modelyard_operator.answers import read_answer
from modelyard_operator.records import PodRecord

logger = logging.getLogger(__name__)

_MAX_BYTES = 512 * 1024
_AT_ONCE = 64
_IN_FLIGHT: Final = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING)
_READ: Final = (*_IN_FLIGHT, Metric.REQUESTS_TOTAL)


@dataclass(frozen=True, slots=True)
class PodLoad:
    """What one pod is busy with, and how many requests it has answered since its start."""

    in_flight: float
    served: float


class LoadReader(Protocol):
    """Asks pods; open it with `async with`."""

    async def __aenter__(self) -> Self:
        """Open its connections."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them."""

    async def read(self, pods: Iterable[PodRecord]) -> Mapping[str, PodLoad]:
        """Return the loads of the pods that answer, by uid."""


def parse_load(text: str) -> PodLoad:
    """Read an answer.

    Raises:
        ValueError: it is not Prometheus's text, or lacks the gauges of a model pod.
    """
    # Of some hundred lines a handful is needed, and parsing them all would cost milliseconds.
    lines = (line for line in text.splitlines() if line.startswith(_READ))
    found: dict[str, float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    missing = [name for name in _IN_FLIGHT if name not in found]
    if missing:
        raise ValueError(f"the answer has no {', '.join(missing)}")
    load = PodLoad(
        in_flight=sum(found[name] for name in _IN_FLIGHT),
        served=found.get(Metric.REQUESTS_TOTAL, 0.0),
    )
    if not all(isfinite(value) and value >= 0 for value in (load.in_flight, load.served)):
        raise ValueError(f"the answer has numbers that cannot be: {load}")
    return load


class HttpLoadReader:
    """Asks over HTTP, so many pods at once; open it with `async with`."""

    def __init__(self, *, port: int, timeout_seconds: float) -> None:
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Waiting for a connection to be free must not count against the pod's time.
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            connector=aiohttp.TCPConnector(limit=0),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def read(self, pods: Iterable[PodRecord]) -> Mapping[str, PodLoad]:
        """Ask all of them; as long as the slowest takes, at most the timeout."""
        asked = [pod for pod in pods if pod.ip]
        answers = await asyncio.gather(*(self._ask(pod) for pod in asked))
        return {pod.uid: load for pod, load in zip(asked, answers, strict=True) if load is not None}

    async def _ask(self, pod: PodRecord) -> PodLoad | None:
        if self._session is None:
            raise RuntimeError("open the reader with `async with` first")
        host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        url = f"http://{host}:{self._port}/metrics"
        try:
            async with self._slots, self._session.get(url, allow_redirects=False) as response:
                response.raise_for_status()
                return parse_load((await read_answer(response, _MAX_BYTES)).decode())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            logger.debug("no load from pod %s/%s: %r", pod.namespace, pod.name, error)
            return None
