"""The Service in front of a model's pods: pure."""

from typing import Any

from modelyard_api.meta import SERVICE_PORT, SERVING_PORT
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.names import build_labels, build_metadata


def build_service(md: ModelDeployment) -> dict[str, Any]:
    """Return the Service; it selects pods of every revision, ready ones only."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(md.metadata, {}),
        "spec": {
            "type": "ClusterIP",
            "selector": build_labels(md.metadata.name),
            "ports": [
                {
                    "name": "http",
                    "port": SERVICE_PORT,
                    "targetPort": SERVING_PORT,
                    "protocol": "TCP",
                    "appProtocol": "http",
                }
            ],
        },
    }
