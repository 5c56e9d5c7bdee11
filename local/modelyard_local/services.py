"""Reaching a Service from this machine."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from . import state
from .clusters import Cluster
from .errors import CommandFailed


def service_url(cluster: Cluster, namespace: str, service: str) -> AbstractContextManager[str]:
    """Yield the URL of a Service's port 80 as this machine reaches it."""
    record = state.read(state.files_of(cluster.name))
    reach = forward if record and record.engine == "kind" else route
    return reach(cluster, namespace, service)


@contextmanager
def route(cluster: Cluster, namespace: str, service: str) -> Iterator[str]:
    """Yield the Service's own address: this machine has a route into the cluster."""
    address = cluster.kubectl(
        *("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    )
    yield f"http://{address}"


@contextmanager
def forward(cluster: Cluster, namespace: str, service: str) -> Iterator[str]:
    """Yield a port of this machine that kubectl forwards to one pod of the Service."""
    command = [
        *(str(cluster.bin / "kubectl"), "port-forward", "--address=127.0.0.1"),
        *("-n", namespace, f"service/{service}", ":80"),
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=cluster.environment(),
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            # "Forwarding from 127.0.0.1:40123 -> 8080"
            line = process.stdout.readline()
            address = line.removeprefix("Forwarding from ").partition(" ")[0]
            if address == line:
                raise CommandFailed("kubectl port-forward", process.wait(), line)
            yield f"http://{address}"
        finally:
            process.terminate()
