"""Reaching a Service from this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from .clusters import Cluster


@contextmanager
def service_url(cluster: Cluster, namespace: str, service: str) -> Iterator[str]:
    """Yield the Service's URL as this machine reaches it, by a route into the cluster."""
    address = cluster.kubectl(
        *("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    )
    yield f"http://{address}"
