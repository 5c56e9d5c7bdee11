"""The children that a ModelDeployment should have: pure, as finished manifests."""

from dataclasses import dataclass
from typing import Any, Final

from modelyard_api.meta import ANNOTATION_APPLIED_HASH
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.autoscaling import (
    build_autoscaler,
    build_scaled_object,
    find_scaler_kind,
)
from modelyard_operator.desired.deployment import build_deployment
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.disruption_budget import build_disruption_budget, has_budget
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.desired.network_policy import build_network_policy
from modelyard_operator.desired.service import build_service
from modelyard_operator.policy import PlatformPolicy

#: Every kind of child, in the order of their application.
KINDS: Final = (
    "Deployment",
    "Service",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "ScaledObject",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A child as it is to be applied; `hash` also stands in its annotation."""

    kind: str
    hash: str
    body: dict[str, Any]


def build_children(
    md: ModelDeployment, ledger: Ledger, policy: PlatformPolicy, *, is_awake: bool = False
) -> tuple[Manifest, ...]:
    """Return every child that an accepted object should have, in the order of KINDS.

    `is_awake` says that gateways keep it from sleeping.
    """
    children = [build_deployment(md, ledger), build_service(md, ledger)]
    if policy.network_policy.enabled:
        children.append(build_network_policy(md, policy.network_policy))
    if has_budget(md):
        children.append(build_disruption_budget(md))
    match find_scaler_kind(md):
        case "HorizontalPodAutoscaler":
            children.append(build_autoscaler(md))
        case "ScaledObject":
            children.append(build_scaled_object(md, policy, is_awake=is_awake))
        case _:
            pass
    return tuple(_finish(child) for child in children)


def find_kinds(md: ModelDeployment, policy: PlatformPolicy) -> tuple[str, ...]:
    """Return the kinds of children that an object has under a policy; others are pruned."""
    network = ("NetworkPolicy",) if policy.network_policy.enabled else ()
    budget = ("PodDisruptionBudget",) if has_budget(md) else ()
    scaler = find_scaler_kind(md)
    scalers = (scaler,) if scaler is not None else ()
    return ("Deployment", "Service", *network, *budget, *scalers)


def _finish(body: dict[str, Any]) -> Manifest:
    fingerprint = digest(body)
    body["metadata"]["annotations"][ANNOTATION_APPLIED_HASH] = fingerprint
    return Manifest(kind=body["kind"], hash=fingerprint, body=body)
