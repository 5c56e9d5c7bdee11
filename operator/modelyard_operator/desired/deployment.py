"""The Deployment of a model: pure."""

from typing import Any

from modelyard_api.meta import ANNOTATION_PLATFORM, ANNOTATION_TEMPLATE_INPUT
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.names import build_labels, build_metadata
from modelyard_operator.desired.platform import Platform, build_template_input
from modelyard_operator.desired.pod_template import build_pod_template

Json = dict[str, Any]


def build_deployment(md: ModelDeployment, platform: Platform) -> tuple[str, Json]:
    """Return the target revision and the Deployment that rolls it out."""
    revision, template = build_pod_template(md, platform)
    annotations = {
        ANNOTATION_TEMPLATE_INPUT: build_template_input(md),
        ANNOTATION_PLATFORM: platform.model_dump_json(by_alias=True),
    }
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(md.metadata, annotations),
        "spec": {
            "replicas": md.spec.scaling.replicas,
            "selector": {"matchLabels": build_labels(md.metadata.name)},
            "template": template,
            # A pod goes only when another has become ready in its place.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "progressDeadlineSeconds": md.spec.update.progress_deadline_seconds,
            "revisionHistoryLimit": 2,
        },
    }
    return revision, manifest
