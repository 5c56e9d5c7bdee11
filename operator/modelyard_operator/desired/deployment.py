"""The Deployment of a model: pure."""

from typing import Any

from modelyard_api.v1alpha1 import ModelDeployment, UpdateStrategy
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.desired.names import build_labels, build_metadata
from modelyard_operator.scaling.handover import is_scaled

Json = dict[str, Any]


def build_deployment(md: ModelDeployment, ledger: Ledger) -> Json:
    """Return the Deployment that rolls a rendering out; who scales it otherwise sets replicas."""
    paused = ledger.failed is not None and ledger.failed.is_paused
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(md.metadata, ledger.annotate()),
        "spec": {
            **({} if is_scaled(md.spec) else {"replicas": md.spec.wanted_replicas}),
            "selector": {"matchLabels": build_labels(md.metadata.name)},
            "template": ledger.rendering.template,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": _build_pace(surges(md, ledger)),
            },
            "progressDeadlineSeconds": md.spec.update.progress_deadline_seconds,
            "revisionHistoryLimit": 2,
            **({"paused": True} if paused else {}),
        },
    }


def surges(md: ModelDeployment, ledger: Ledger) -> bool:
    """Tell whether new pods start beside the old ones, rather than in their place."""
    asked = md.spec.update.strategy
    if asked == UpdateStrategy.AUTO:
        return ledger.has_room_beside
    return asked == UpdateStrategy.SURGE


def _build_pace(is_surge: bool) -> Json:  # noqa: FBT001 - the two paces
    # Surging, a pod goes only when another has become ready in its place. Otherwise one goes first:
    # it drains, ends, and gives its device to the next.
    return (
        {"maxSurge": 1, "maxUnavailable": 0} if is_surge else {"maxSurge": 0, "maxUnavailable": 1}
    )
