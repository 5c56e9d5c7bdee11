"""The children that a ModelDeployment should have: pure, as finished manifests."""

from dataclasses import dataclass
from typing import Any, Final

from modelyard_api.meta import ANNOTATION_APPLIED_HASH
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.deployment import build_deployment
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.network_policy import build_network_policy
from modelyard_operator.desired.rendering import Rendering
from modelyard_operator.desired.service import build_service
from modelyard_operator.policy import PlatformPolicy

#: Every kind of child, in the order of their application.
KINDS: Final = ("Deployment", "Service", "NetworkPolicy")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A child as it is to be applied; `hash` also stands in its annotation."""

    kind: str
    hash: str
    body: dict[str, Any]


def build_children(
    md: ModelDeployment, rendering: Rendering, policy: PlatformPolicy
) -> tuple[Manifest, ...]:
    """Return every child that an accepted object should have, in the order of KINDS."""
    children = [build_deployment(md, rendering), build_service(md)]
    if policy.network_policy.enabled:
        children.append(build_network_policy(md, policy.network_policy))
    return tuple(_finish(child) for child in children)


def find_kinds(policy: PlatformPolicy) -> tuple[str, ...]:
    """Return the kinds of children that objects have under a policy; others are pruned."""
    return KINDS if policy.network_policy.enabled else ("Deployment", "Service")


def _finish(body: dict[str, Any]) -> Manifest:
    fingerprint = digest(body)
    body["metadata"]["annotations"][ANNOTATION_APPLIED_HASH] = fingerprint
    return Manifest(kind=body["kind"], hash=fingerprint, body=body)
