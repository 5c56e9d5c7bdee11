"""The Deployment of a model: pure."""

from typing import Any

from modelyard_api.meta import ANNOTATION_RENDERING, ANNOTATION_TEMPLATE_INPUT
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.names import build_labels, build_metadata
from modelyard_operator.desired.rendering import Rendering, build_template_input

Json = dict[str, Any]


def build_deployment(md: ModelDeployment, rendering: Rendering) -> Json:
    """Return the Deployment that rolls a rendering out."""
    annotations = {
        ANNOTATION_TEMPLATE_INPUT: build_template_input(md),
        ANNOTATION_RENDERING: rendering.encode(),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(md.metadata, annotations),
        "spec": {
            "replicas": md.spec.wanted_replicas,
            "selector": {"matchLabels": build_labels(md.metadata.name)},
            "template": rendering.template,
            # A pod goes only when another has become ready in its place.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "progressDeadlineSeconds": md.spec.update.progress_deadline_seconds,
            "revisionHistoryLimit": 2,
        },
    }
