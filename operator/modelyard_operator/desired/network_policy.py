"""The NetworkPolicy of a model: pure. Whether it is enforced depends on the cluster's network."""

from typing import Any

from modelyard_api.meta import GRPC_PORT, INTERNAL_PORT, SERVING_PORT
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.names import build_labels, build_metadata
from modelyard_operator.policy import NetworkPolicyPolicy

Json = dict[str, Any]


def build_network_policy(md: ModelDeployment, policy: NetworkPolicyPolicy) -> Json:
    """Return who may reach the pods: clients the serving ports, operator and monitoring the other.

    Where they may go is not restricted: a download's host has no fixed address.
    """
    clients = [peer.dump() for peer in policy.clients]
    insiders = [peer.dump() for peer in (*policy.operator, *policy.monitoring)]
    ingress = [_allow([{"podSelector": {}}, *clients], SERVING_PORT, GRPC_PORT)]
    if insiders:  # an empty list of peers would mean everybody
        ingress.append(_allow(insiders, INTERNAL_PORT))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": build_metadata(md.metadata, {}),
        "spec": {
            "podSelector": {"matchLabels": build_labels(md.metadata.name)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def _allow(peers: list[Json], *ports: int) -> Json:
    return {"from": peers, "ports": [{"port": port, "protocol": "TCP"} for port in ports]}
