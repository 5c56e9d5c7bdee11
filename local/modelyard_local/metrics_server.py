"""metrics-server: what pods use, for `kubectl top` and HorizontalPodAutoscalers.

It runs beside the API server, as a process of the cluster, and is reached as any aggregated API:
through a Service, whose endpoint is its address.
"""

import json
from pathlib import Path

from . import clusters, network, node, processes, programs, state
from .addresses import Addresses
from .clusters import Cluster
from .errors import LocalError
from .locks import exclusive
from .node_config import KUBELET_PORT
from .processes import Process
from .progress import Report, to_stderr, wait_until
from .state import Files, Record

PORT = 4443
_NAME = "metrics-server"
_NAMESPACE = "kube-system"
_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"
# The least that it takes. A first value needs two scrapes.
_RESOLUTION_SECONDS = 10
_FIRST_VALUE_SECONDS = 120.0


def start(name: str, *, on_progress: Report = to_stderr) -> None:
    """Start it, unless it runs; returns when it knows what the node uses."""
    cluster = clusters.find(name, on_progress=on_progress)
    files = state.files_of(name)
    folder = programs.ensure(_NAME, report=on_progress)
    with exclusive(files.lock, waiting=lambda: on_progress(f"waiting for cluster {name} …")):
        record = state.read(files)
        if record is None or record.engine != "machine" or not record.has_node:
            raise LocalError(
                f"cluster {name!r} has no real node of ours, so nothing measures its pods; "
                f"bring it up with one: python -m modelyard_local up {name} --node"
            )
        if _NAME not in {process.name for process in record.processes}:
            _start(files, record, folder / _NAME, cluster, on_progress)


def build_arguments(files: Files, addresses: Addresses, node: str) -> list[str]:
    """Return its command line."""
    certificates = files.kwok / "pki"
    return [
        f"--kubeconfig={files.kubeconfig}",
        f"--authentication-kubeconfig={files.kubeconfig}",
        f"--authorization-kubeconfig={files.kubeconfig}",
        f"--bind-address={addresses.node}",
        f"--secure-port={PORT}",
        f"--tls-cert-file={certificates / 'admin.crt'}",
        f"--tls-private-key-file={certificates / 'admin.key'}",
        f"--metric-resolution={_RESOLUTION_SECONDS}s",
        # Nodes that kwok plays have no kubelet; the real one signs its certificate itself.
        f"--node-selector=kubernetes.io/hostname={node}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-port={KUBELET_PORT}",
        "--kubelet-insecure-tls",
        f"--kubelet-request-timeout={_RESOLUTION_SECONDS // 2}s",
    ]


def build_objects(addresses: Addresses) -> dict[str, object]:
    """Return what makes the API server ask it: a Service with its address, and the APIService."""
    metadata = {"name": _NAME, "namespace": _NAMESPACE}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": PORT}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": _NAME}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [str(addresses.node)], "conditions": {"ready": True}}],
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{_VERSION}.{_GROUP}"},
        "spec": {
            "service": {**metadata, "port": 443},
            "group": _GROUP,
            "version": _VERSION,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            # The certificate is the control plane's own, and does not name the Service.
            "insecureSkipTLSVerify": True,
        },
    }
    return {"apiVersion": "v1", "kind": "List", "items": [service, endpoints, api]}


def _start(files: Files, record: Record, program: Path, cluster: Cluster, report: Report) -> None:
    arguments = build_arguments(files, record.addresses, node.node_name(record.name))
    process = processes.start(
        _NAME,
        [*network.enter(files.namespace), program, *arguments],
        log=files.logs / f"{_NAME}.log",
    )
    state.write(files, record.with_processes(process))
    try:
        cluster.kubectl("apply", "-f", "-", input=json.dumps(build_objects(record.addresses)))
        wait_until(
            lambda: _has_values(cluster, process, files),
            title="waiting for the first measurements",
            timeout_seconds=_FIRST_VALUE_SECONDS,
            report=report,
        )
    except BaseException:
        # A process that has ended would make the whole cluster count as half dead.
        processes.end([process], grace_seconds=0)
        state.write(files, record)
        raise


def _has_values(cluster: Cluster, process: Process, files: Files) -> bool:
    if not processes.is_alive(process):
        raise LocalError(f"{_NAME} ended; see {files.logs / _NAME}.log")
    answer = cluster.kubectl(
        "get", "--raw", f"/apis/{_GROUP}/{_VERSION}/nodes/{cluster.node_name}", check=False
    )
    return '"usage"' in answer
