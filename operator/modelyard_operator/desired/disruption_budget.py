"""The PodDisruptionBudget of a model that may have several pods: pure."""

from typing import Any

from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.names import build_labels, build_metadata
from modelyard_operator.scaling.handover import is_scaled

Json = dict[str, Any]


def has_budget(md: ModelDeployment) -> bool:
    """Tell whether a model may have two pods or more, so that one can go while another serves.

    With one pod there is no such choice: it has to go, or no drain of its node would ever end.
    """
    # What the spec allows counts, not what is there: autoscaling between one pod and two writes
    # nothing here. While there is one, a budget of one lets it go.
    scaling = md.spec.scaling
    most = max(scaling.min, scaling.max) if is_scaled(md.spec) else md.spec.wanted_replicas
    return most > 1


def build_disruption_budget(md: ModelDeployment) -> Json:
    """Return how many pods, of all revisions, a drain may take at once: one."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": build_metadata(md.metadata, {}),
        "spec": {
            "maxUnavailable": 1,
            # A pod that loads, or cannot start, serves nobody: it must not hold a drain up.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": build_labels(md.metadata.name)},
        },
    }
