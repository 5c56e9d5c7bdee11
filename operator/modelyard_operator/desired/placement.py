"""Where a model's pods may run: pure."""

from typing import Any

from modelyard_api.v1alpha1 import ModelDeployment, SpreadConstraint
from modelyard_operator.desired.names import build_labels
from modelyard_operator.policy import GpuProfile

Json = dict[str, Any]


def build_placement(md: ModelDeployment, profile: GpuProfile | None) -> Json:
    """Return the fields of a pod that the scheduler reads: the object's, and the GPU profile's."""
    asked = md.spec.pod_template
    tolerations = [toleration.dump() for toleration in asked.tolerations]
    placement: Json = {
        # The profile's labels win: they say where such a GPU is.
        "nodeSelector": {**asked.node_selector, **(profile.node_selector if profile else {})},
        "tolerations": [*_tolerate_gpu(profile), *tolerations],
        "affinity": asked.affinity,
        "topologySpreadConstraints": [
            _build_spread(md.metadata.name, spread) for spread in asked.topology_spread_constraints
        ],
    }
    return {field: value for field, value in placement.items() if value}


def _tolerate_gpu(profile: GpuProfile | None) -> list[Json]:
    if profile is None:
        return []
    # GPU nodes are commonly tainted with the name of their resource.
    usual = {"key": profile.resource_name, "operator": "Exists"}
    return [usual, *(toleration.dump() for toleration in profile.tolerations)]


def _build_spread(name: str, spread: SpreadConstraint) -> Json:
    return {
        "topologyKey": spread.topology_key,
        "maxSkew": spread.max_skew,
        "whenUnsatisfiable": str(spread.when_unsatisfiable),
        "labelSelector": {"matchLabels": build_labels(name)},
        # Each revision spreads on its own, or the old pods would push the new ones together.
        "matchLabelKeys": ["pod-template-hash"],
    }
