"""The policy's values that a pod template is rendered with, and when they may change.

Upgrading Modelyard changes the policy (a new runtime image above all). It must not restart models
whose spec nobody has touched: the live Deployment remembers the values it was rendered with, and
keeps them until a field of the spec that shapes the template changes.
"""

from pydantic import ValidationError

from modelyard_api.document import Document
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.digest import digest
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import ChildRecord


class Platform(Document):
    """What the pod template takes from the policy."""

    image: str
    image_pull_policy: str
    gpu_resource: str
    cpu: str
    memory: str


def build_template_input(md: ModelDeployment) -> str:
    """Return the hash of what the object itself puts into the pod template: never scaling."""
    spec = md.spec.dump()
    spec.pop("scaling", None)
    return digest({"name": md.metadata.name, "spec": spec})


def decide_platform(
    md: ModelDeployment, live: ChildRecord | None, policy: PlatformPolicy
) -> Platform:
    """Return the live Deployment's values while the template's input is the same, else today's."""
    if live is not None and live.template_input == build_template_input(md):
        try:
            return Platform.model_validate_json(live.platform)
        except ValidationError:
            pass  # somebody edited the annotation: as if there were none
    return Platform(
        image=policy.runtime.image,
        image_pull_policy=policy.runtime.image_pull_policy,
        gpu_resource=policy.gpu.resource_name,
        cpu=policy.defaults.cpu,
        memory=policy.defaults.memory,
    )
