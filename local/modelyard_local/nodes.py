"""Nodes that are played, and resources that are claimed: GPU nodes without a GPU."""

import json
from collections.abc import Mapping

from .clusters import Cluster
from .control_plane_config import FAKE_NODE_ANNOTATION
from .errors import LocalError

GPU_RESOURCE = "nvidia.com/gpu"


def build_fake_node(
    name: str, *, capacity: Mapping[str, str], labels: Mapping[str, str], tainted: bool = False
) -> dict[str, object]:
    """A node that kwok plays: pods on it become Running at once and run nothing."""
    taint = {"key": FAKE_NODE_ANNOTATION, "value": "fake", "effect": "NoSchedule"}
    usual = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {FAKE_NODE_ANNOTATION: "fake"},
            "labels": {**usual, "type": "kwok", **labels},
        },
        "spec": {"taints": [taint] if tainted else []},
        "status": {"capacity": dict(capacity), "allocatable": dict(capacity)},
    }


def add_fake_node(
    cluster: Cluster,
    name: str,
    *,
    gpus: int = 0,
    gpu_resource: str = GPU_RESOURCE,
    labels: Mapping[str, str] | None = None,
    tainted: bool = False,
) -> None:
    """Add a large played node; tainted, only pods that tolerate it go there."""
    capacity = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}
    capacity |= {gpu_resource: str(gpus)} if gpus else {}
    node = build_fake_node(name, capacity=capacity, labels=labels or {}, tainted=tainted)
    cluster.kubectl("create", "-f", "-", input=json.dumps(node))


def build_claim(resource: str, count: int) -> list[dict[str, str]]:
    """A JSON patch of a node's status."""
    path = resource.replace("~", "~0").replace("/", "~1")
    return [
        {"op": "add", "path": f"/status/{part}/{path}", "value": str(count)}
        for part in ("capacity", "allocatable")
    ]


def claim_resource(cluster: Cluster, resource: str, count: int) -> None:
    """Let the real node offer an extended resource, so that pods asking for it really run."""
    if cluster.node_name is None:
        raise LocalError(
            f"cluster {cluster.name!r} has no real node; "
            f"add it: python -m modelyard_local up {cluster.name}"
        )
    patch = json.dumps(build_claim(resource, count))
    cluster.kubectl(
        "patch", "node", cluster.node_name, "--subresource=status", "--type=json", "-p", patch
    )
