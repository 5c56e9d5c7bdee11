"""The operator's process: settings, parts, tasks, and the order in which they end."""

import asyncio
import logging
import os
import signal
import sys

import uvloop
from aiohttp import web

from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError, ConnectionInvalid
from modelyard_operator.assembly import Parts, assemble
from modelyard_operator.cluster import MODELS
from modelyard_operator.errors import OperatorError, SettingsInvalid
from modelyard_operator.handlers import watch_models
from modelyard_operator.health import build_app
from modelyard_operator.logs import set_up_logging
from modelyard_operator.metrics import Metrics
from modelyard_operator.policy import PlatformPolicy, load_policy
from modelyard_operator.settings import Settings, read_settings

logger = logging.getLogger("modelyard_operator")

_WAIT_SECONDS = 2.0
_CLOSE_SECONDS = 10.0


class Process:
    """One run of the operator."""

    def __init__(
        self, client: KubeClient, settings: Settings, policy: PlatformPolicy, metrics: Metrics
    ) -> None:
        self._client = client
        self._settings = settings
        self._parts: Parts = assemble(client, settings, policy, metrics)
        self._stop = asyncio.Event()
        self._kopf_stop = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; fails as soon as any part does."""
        self._catch_signals()
        server = await self._serve()
        async with asyncio.TaskGroup() as group:
            # Everything of ours starts before kopf, which cancels, when it ends, the tasks that
            # were made after it.
            background = [
                group.create_task(coroutine)
                for coroutine in (
                    *(reflector.run() for reflector in self._parts.reflectors),
                    self._parts.recorder.run(),
                    self._parts.reports.run(),
                    self._parts.sources.run(),
                    self._parts.autoscaler.run(),
                )
            ]
            if await self._wait_until_ready():
                leading = group.create_task(self._parts.leadership.run(self._stop))
                background.append(group.create_task(self._parts.audit.run()))
                watch = group.create_task(self._watch())
                await self._stop.wait()
                await asyncio.wait([leading])
                await server.cleanup()
                self._kopf_stop.set()
                await asyncio.wait([watch], timeout=_CLOSE_SECONDS)
                background.append(watch)
            for task in background:
                task.cancel()
        logger.info("stopped")

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    async def _wait_until_ready(self) -> bool:
        """Wait for the API and the caches; False when told to stop before that."""
        while not self._stop.is_set():
            if self._parts.is_synced() and await self._is_served():
                return True
            try:
                async with asyncio.timeout(_WAIT_SECONDS if self._parts.is_synced() else 0.05):
                    await self._stop.wait()
            except TimeoutError:
                pass
        return False

    async def _is_served(self) -> bool:
        # kopf would wait for ever, and in silence, for a resource it does not find at its start.
        try:
            await anext(self._client.list_metadata(MODELS, page_size=1))
        except ClusterError as error:
            logger.warning("waiting for the ModelDeployment API: %s", error)
            return False
        return True

    async def _watch(self) -> None:
        await watch_models(
            self._parts.intake,
            self._client.login,
            silence_seconds=self._settings.watch_silence_seconds,
            patience_seconds=self._settings.patience_seconds,
            stop=self._kopf_stop,
            # kopf would stop the watch at once; we drain first.
            on_start=self._catch_signals,
        )

    async def _serve(self) -> web.AppRunner:
        parts = self._parts
        app = build_app(
            live={"watches": parts.is_hearing, "workers": parts.is_moving},
            # Not that it leads: a rolling update waits for standbys to be ready.
            ready={
                "caches": parts.is_synced,
                "lease": lambda: parts.election.has_looked,
                "running": lambda: not self._stop.is_set(),
            },
            registry=parts.metrics.registry,
            refresh=parts.refresh_gauges,
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        host = self._settings.probe_host or None
        await web.TCPSite(runner, host, self._settings.probe_port).start()
        return runner


async def run(settings: Settings, policy: PlatformPolicy) -> None:
    """Connect, run, and close the connections."""
    metrics = Metrics()
    client = await KubeClient.connect(
        settings.kubeconfig,
        # Which of the replicas it was stands in the API server's audit log.
        user_agent=f"modelyard-operator/{settings.pod_name}",
        observe=metrics.observe_call,
    )
    try:
        await Process(client, settings, policy, metrics).run()
    finally:
        await client.close()


def main() -> int:
    """Run the operator; returns the exit status."""
    try:
        settings = read_settings(os.environ)
        policy = load_policy(settings.policy)
    except SettingsInvalid as error:
        sys.stderr.write(f"modelyard-operator: {error}\n")
        return 2
    set_up_logging(settings.log_level)
    status = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings, policy))
    except* (OperatorError, ClusterError, ConnectionInvalid) as faults:
        status = 1
        for fault in faults.exceptions:
            logger.critical("ending: %s", fault)
    except* Exception as faults:
        status = 1
        logger.critical("ending: a fault of ours", exc_info=faults)
    return status


if __name__ == "__main__":
    sys.exit(main())
