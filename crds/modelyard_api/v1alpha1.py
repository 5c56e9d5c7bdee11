"""The ModelDeployment, v1alpha1, as Python reads it.

crds/modeldeployment.yaml is what the API server enforces; a contract test compares the two
field by field. Defaults stand in both, since the operator also reads objects that were
stored before a default existed.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from modelyard_api.document import Document
from modelyard_api.durations import Duration, parse_seconds

#: A Kubernetes quantity; YAML may say `cpu: 2`, which arrives as an integer.
Quantity = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int) else v)]


class Task(StrEnum):
    """What a model does. `auto` lets the runtime read it from the model folder."""

    AUTO = "auto"
    TEXT_GENERATION = "text-generation"
    EMBEDDINGS = "embeddings"
    TEXT_CLASSIFICATION = "text-classification"


class Format(StrEnum):
    """How the model folder is written. `auto` lets the runtime look."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    GGUF = "gguf"


class DType(StrEnum):
    """Number type of the weights. `auto`: as stored on a GPU, float32 on a CPU."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Model(Document):
    """Which model, and how to read it."""

    uri: str
    task: Task = Task.AUTO
    format: Format = Format.AUTO
    name: str = ""


class Gpu(Document):
    """GPUs for each pod."""

    count: int = 0


class Resources(Document):
    """What each pod asks for. Empty: the policy's default."""

    gpu: Gpu = Gpu()
    cpu: Quantity = ""
    memory: Quantity = ""


class Scaling(Document):
    """How many pods."""

    replicas: int = 1


class Update(Document):
    """How a new revision replaces an old one."""

    progress_deadline: Duration = "30m"
    drain_timeout: Duration = "2m"

    @property
    def progress_deadline_seconds(self) -> int:
        """Time a revision has to become ready, loading included."""
        return parse_seconds(self.progress_deadline)

    @property
    def drain_timeout_seconds(self) -> int:
        """Time a stopping pod has to finish the requests that it has accepted."""
        return parse_seconds(self.drain_timeout)


class Runtime(Document):
    """How the runtime holds the model."""

    dtype: DType = DType.AUTO


class Spec(Document):
    """What is wanted. Only model.uri has no default."""

    model: Model
    resources: Resources = Resources()
    scaling: Scaling = Scaling()
    update: Update = Update()
    runtime: Runtime = Runtime()


class ConditionStatus(StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class StatusCondition(Document):
    """A metav1.Condition."""

    type: str
    status: ConditionStatus
    observed_generation: int
    last_transition_time: str
    reason: str
    message: str


class Revision(Document):
    """Hashes of pod templates: what serves now, and what is being rolled out."""

    current: str = ""
    target: str = ""


class ModelFacts(Document):
    """What the runtime found in the model folder."""

    format: str = ""
    size_bytes: int | None = None
    parameters: int | None = None


class StartupTimes(Document):
    """How long the newest ready pod of the target revision took, step by step (`9.4s`)."""

    scheduled: str = ""
    image_pull: str = ""
    load: str = ""
    warmup: str = ""
    total: str = ""


class Device(Document):
    """Where the model was asked to run, and where it runs."""

    requested: str = ""
    actual: str = ""
    dtype: str = ""


class Failure(Document):
    """Why a pod of the target revision does not serve, and what to do about it."""

    reason: str
    message: str = ""
    pod: str = ""
    exit_code: int | None = None
    log_tail: str = ""
    hint: str = ""
    at: str = ""


class Status(Document):
    """What is. Written by the operator only, once per change."""

    observed_generation: int = 0
    phase: str = ""
    conditions: tuple[StatusCondition, ...] = ()
    url: str = ""
    model_name: str = ""
    task: str = ""
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    revision: Revision = Revision()
    model: ModelFacts = ModelFacts()
    startup: StartupTimes = StartupTimes()
    device: Device = Device()
    failure: Failure | None = None


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
