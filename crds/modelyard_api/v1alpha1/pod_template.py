"""What a ModelDeployment may say of its pods: a closed list."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from modelyard_api.document import Document


class TolerationOperator(StrEnum):
    """How a toleration matches a taint."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """What a taint does; `ANY` tolerates all of them."""

    ANY = ""
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Document):
    """A taint that the pods tolerate."""

    key: str = ""
    operator: TolerationOperator = TolerationOperator.EQUAL
    value: str = ""
    effect: TaintEffect = TaintEffect.ANY
    toleration_seconds: int | None = None


class WhenUnsatisfiable(StrEnum):
    """What to do with a pod that would be more than the skew."""

    SCHEDULE_ANYWAY = "ScheduleAnyway"
    DO_NOT_SCHEDULE = "DoNotSchedule"


class SpreadConstraint(Document):
    """How the model's own pods spread over the values of a node label."""

    topology_key: str
    max_skew: int = 1
    when_unsatisfiable: WhenUnsatisfiable = WhenUnsatisfiable.SCHEDULE_ANYWAY


class ImagePullSecret(Document):
    """A Secret that the node pulls images with."""

    name: str


class PodTemplate(Document):
    """What else the pods carry: a closed list.

    `affinity` is part of a pod as it stands; the CRD has its schema.
    """

    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    node_selector: dict[str, str] = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    affinity: dict[str, Any] = Field(default={})
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()
    image_pull_secrets: tuple[ImagePullSecret, ...] = ()
    priority_class_name: str = ""
    runtime_class_name: str = ""
    scheduler_name: str = ""
    service_account_name: str = ""
