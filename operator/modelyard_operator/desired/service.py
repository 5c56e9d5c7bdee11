"""The Service in front of a model's pods: pure."""

from typing import Any

from modelyard_api.meta import GRPC_PORT, SERVICE_PORT, SERVING_PORT, TLS_SERVICE_PORT
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.desired.names import (
    GRPC_PORT_NAME,
    PORT_NAME,
    TLS_PORT_NAME,
    build_labels,
    build_metadata,
)

Json = dict[str, Any]


def build_service(md: ModelDeployment, ledger: Ledger) -> Json:
    """Return the Service; it selects pods of every revision, ready ones only."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(md.metadata, {}),
        "spec": {
            "type": "ClusterIP",
            "selector": build_labels(md.metadata.name),
            "ports": _build_ports(ledger),
        },
    }


def _build_ports(ledger: Ledger) -> list[Json]:
    last = ledger.last_good
    renderings = (ledger.rendering, *((last.rendering,) if last is not None else ()))
    spoken = {rendering.is_tls for rendering in renderings}
    grpc = _build_grpc_port(is_plain=spoken == {False})
    if spoken == {False}:
        return [_build_port(PORT_NAME, SERVICE_PORT, SERVING_PORT), grpc]
    # Targets by name: each of the two ports leads to those pods only that speak its protocol. So
    # old and new clients are served while one revision goes and the other comes.
    ports = [_build_port(TLS_PORT_NAME, TLS_SERVICE_PORT, TLS_PORT_NAME)]
    if spoken != {True}:
        ports.append(_build_port(PORT_NAME, SERVICE_PORT, PORT_NAME))
    return [*ports, grpc]


def _build_grpc_port(*, is_plain: bool) -> Json:
    # That it is HTTP/2 must be known beforehand; with TLS, client and server agree on it.
    protocol = "kubernetes.io/h2c" if is_plain else TLS_PORT_NAME
    return {**_build_port(GRPC_PORT_NAME, GRPC_PORT, GRPC_PORT), "appProtocol": protocol}


def _build_port(name: str, port: int, target: int | str) -> Json:
    return {
        "name": name,
        "port": port,
        "targetPort": target,
        "protocol": "TCP",
        "appProtocol": name,
    }
