"""Asking ready pods for their RuntimeReport. What does not answer is unknown, never good."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from modelyard_api.report import RuntimeReport, State, decode_report
from modelyard_operator.answers import read_answer
from modelyard_operator.records import Key, PodRecord

logger = logging.getLogger(__name__)

_MAX_BYTES = 64 * 1024
_MAX_WAITING = 10_000
_FETCHERS = 8
#: After each failed try the pod is asked again so much later, and then no more.
_RETRY_SECONDS = (2.0, 10.0, 60.0)


class Reports(Protocol):
    """Reports that came in, and the wish for more."""

    def find(self, pods: Iterable[PodRecord]) -> Mapping[str, RuntimeReport]:
        """Return the reports of pods by uid, of those that have answered."""

    def want(self, key: Key, pod: PodRecord) -> None:
        """Ask a pod in the background; the key is looked at again when it has answered."""

    def forget(self, uid: str) -> None:
        """Drop what is known of a pod that is gone."""


@dataclass(slots=True)
class _Asked:
    """A pod's place in the rounds of asking."""

    tries: int = 0
    is_waiting: bool = False


class ReportReader:
    """Reads reports over HTTP, a few at a time, and never holds up a reconcile."""

    def __init__(
        self,
        *,
        port: int,
        timeout_seconds: float,
        on_report: Callable[[Key], None],
        on_retry: Callable[[Key, float], None],
    ) -> None:
        self._port = port
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._on_report = on_report
        self._on_retry = on_retry
        self._reports: dict[str, RuntimeReport] = {}
        self._asked: dict[str, _Asked] = {}
        self._waiting: asyncio.Queue[tuple[Key, PodRecord]] = asyncio.Queue(_MAX_WAITING)

    def find(self, pods: Iterable[PodRecord]) -> Mapping[str, RuntimeReport]:
        """Look among those that have answered."""
        return {pod.uid: self._reports[pod.uid] for pod in pods if pod.uid in self._reports}

    def want(self, key: Key, pod: PodRecord) -> None:
        """Put a pod into the queue, unless it is there or has been asked often enough."""
        asked = self._asked.setdefault(pod.uid, _Asked())
        if asked.is_waiting or asked.tries > len(_RETRY_SECONDS) or self._waiting.full():
            return
        asked.is_waiting = True
        self._waiting.put_nowait((key, pod))

    def forget(self, uid: str) -> None:
        """Drop a pod."""
        self._reports.pop(uid, None)
        self._asked.pop(uid, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with (
            aiohttp.ClientSession(timeout=self._timeout) as session,
            asyncio.TaskGroup() as g,
        ):
            for number in range(_FETCHERS):
                g.create_task(self._ask_each(session), name=f"reports-{number}")

    async def _ask_each(self, session: aiohttp.ClientSession) -> None:
        while True:
            key, pod = await self._waiting.get()
            report = await self._read(session, pod)
            asked = self._asked.get(pod.uid)
            if asked is None:
                continue  # gone meanwhile
            asked.is_waiting = False
            if report is not None:
                self._reports[pod.uid] = report
                self._on_report(key)
                continue
            asked.tries += 1
            if asked.tries <= len(_RETRY_SECONDS):
                self._on_retry(key, _RETRY_SECONDS[asked.tries - 1])

    async def _read(self, session: aiohttp.ClientSession, pod: PodRecord) -> RuntimeReport | None:
        host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        url = f"http://{host}:{self._port}/report"
        try:
            async with session.get(url, allow_redirects=False) as response:
                response.raise_for_status()
                report = decode_report((await read_answer(response, _MAX_BYTES)).decode())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            logger.debug("no report from pod %s/%s: %r", pod.namespace, pod.name, error)
            return None
        # Before that it does not know everything yet.
        return (
            report if report is not None and report.state in {State.READY, State.DRAINING} else None
        )
