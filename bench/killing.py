"""Ends a model's process by SIGKILL while it drains, on the local cluster's real node."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx

from modelyard_api.meta import INTERNAL_PORT, SERVING_PORT, Metric
from modelyard_api.report import RuntimeReport, State
from modelyard_local.errors import LocalError
from modelyard_local.progress import Report, wait_until

#: SIGTERM comes five seconds after the deletion, and the drain lasts as long as clients do.
_TIMEOUT_SECONDS = 60


def kill_while_draining(cluster_name: str, pod: dict[str, Any], report: Report) -> None:
    """Wait until a pod that was deleted takes no connection and works on no request; kill it then.

    Killed sooner, it would lose what it works on and what the kernel has accepted for it, as any
    server does. An idle connection of ours keeps it from ending by itself meanwhile.

    Raises:
        LocalError: it did not come to that in time, or the process had ended by itself.
    """
    processes = _find_processes(cluster_name, pod["metadata"]["uid"])
    host = pod["status"]["podIP"]
    address = f"http://{host}:{INTERNAL_PORT}"
    try:
        with (
            socket.create_connection((host, SERVING_PORT), timeout=5),
            httpx.Client(base_url=address, timeout=5) as client,
        ):
            wait_until(
                lambda: _is_parting(client, host),
                title="waiting for the old pod to drain",
                timeout_seconds=_TIMEOUT_SECONDS,
                interval_seconds=0.02,
                report=report,
            )
            for pid in processes:
                os.kill(pid, signal.SIGKILL)
    except (httpx.HTTPError, ProcessLookupError) as error:
        raise LocalError("the old pod ended before it could be killed") from error


def _is_parting(client: httpx.Client, host: str) -> bool:
    state = RuntimeReport.model_validate_json(client.get("/report").content).state
    if state != State.DRAINING or _takes_connections(host):
        return False
    return _count_requests(client.get("/metrics").text) == 0


def _takes_connections(host: str) -> bool:
    try:
        socket.create_connection((host, SERVING_PORT), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def _count_requests(metrics: str) -> float:
    names = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING)
    samples = (line.rpartition(" ") for line in metrics.splitlines() if line.startswith(names))
    return sum(float(value) for _, _, value in samples)


def _find_processes(cluster_name: str, uid: str) -> list[int]:
    """Return the runtime's processes in the cgroups of a pod, and of this cluster only."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended
        is_ours = f"/modelyard-{cluster_name}/" in group and f"/pod{uid}/" in group
        if is_ours and b"modelyard_runtime" in command:
            found.append(int(folder.name))
    return found
