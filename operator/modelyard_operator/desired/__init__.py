"""The children that a ModelDeployment should have: pure, as finished manifests."""

from dataclasses import dataclass
from typing import Any, Final

from modelyard_api.meta import ANNOTATION_APPLIED_HASH
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.deployment import build_deployment
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.platform import Platform
from modelyard_operator.desired.service import build_service

#: Every kind of child.
KINDS: Final = ("Deployment", "Service")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A child as it is to be applied; `hash` also stands in its annotation."""

    kind: str
    hash: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Children:
    """All children in the order of their application, and the revision they roll out."""

    revision: str
    manifests: tuple[Manifest, ...]


def build_children(md: ModelDeployment, platform: Platform) -> Children:
    """Return every child of an accepted object."""
    revision, deployment = build_deployment(md, platform)
    return Children(revision, (_finish(deployment), _finish(build_service(md))))


def _finish(body: dict[str, Any]) -> Manifest:
    fingerprint = digest(body)
    body["metadata"]["annotations"][ANNOTATION_APPLIED_HASH] = fingerprint
    return Manifest(kind=body["kind"], hash=fingerprint, body=body)
