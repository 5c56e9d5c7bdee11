"""The ModelDeployment, v1alpha1, as Python reads it.

crds/modeldeployment.yaml is what the API server enforces; a contract test compares the two
field by field. Defaults stand in both, since the operator also reads objects that were
stored before a default existed.
"""

from pydantic import Field

from modelyard_api.document import Document
from modelyard_api.v1alpha1.pod_template import (
    ImagePullSecret,
    PodTemplate,
    SpreadConstraint,
    TaintEffect,
    Toleration,
    TolerationOperator,
    WhenUnsatisfiable,
)
from modelyard_api.v1alpha1.spec import (
    Access,
    Adapter,
    DType,
    EnvVariable,
    Expectation,
    Export,
    Format,
    Gpu,
    Model,
    ObjectReference,
    OnFailure,
    Optimize,
    Pruning,
    Quantity,
    Quantization,
    Resources,
    Runtime,
    Scaling,
    ScalingMode,
    ScalingTarget,
    Spec,
    Task,
    Update,
    UpdateStrategy,
    Verify,
    VerifyRequest,
)
from modelyard_api.v1alpha1.status import (
    AdapterFacts,
    ConditionStatus,
    Demand,
    Device,
    Failure,
    HistoryEntry,
    Measured,
    ModelFacts,
    Optimization,
    Outcome,
    Revision,
    StartupTimes,
    Status,
    StatusCondition,
)

__all__ = [
    "Access",
    "Adapter",
    "AdapterFacts",
    "ConditionStatus",
    "DType",
    "Demand",
    "Device",
    "EnvVariable",
    "Expectation",
    "Export",
    "Failure",
    "Format",
    "Gpu",
    "HistoryEntry",
    "ImagePullSecret",
    "Measured",
    "Metadata",
    "Model",
    "ModelDeployment",
    "ModelFacts",
    "ObjectReference",
    "OnFailure",
    "Optimization",
    "Optimize",
    "Outcome",
    "PodTemplate",
    "Pruning",
    "Quantity",
    "Quantization",
    "Resources",
    "Revision",
    "Runtime",
    "Scaling",
    "ScalingMode",
    "ScalingTarget",
    "Spec",
    "SpreadConstraint",
    "StartupTimes",
    "Status",
    "StatusCondition",
    "TaintEffect",
    "Task",
    "Toleration",
    "TolerationOperator",
    "Update",
    "UpdateStrategy",
    "Verify",
    "VerifyRequest",
    "WhenUnsatisfiable",
]


class Metadata(Document):
    """The part of an object's metadata that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str = ""
    annotations: dict[str, str] = Field(default_factory=dict)


class ModelDeployment(Document):
    """A model, served."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()

    @property
    def model_name(self) -> str:
        """The name that clients say in a request's `model`."""
        return self.spec.model.name or self.metadata.name
