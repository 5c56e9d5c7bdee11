"""The ModelDeployment, v1alpha1, as Python reads it.

crds/modeldeployment.yaml is what the API server enforces; a contract test compares the two
field by field. Defaults stand in both, since the operator also reads objects that were
stored before a default existed.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from modelyard_api.document import Document
from modelyard_api.durations import Duration, OptionalDuration, parse_seconds

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


class ObjectReference(Document):
    """Another object of the same namespace; an empty name refers to none."""

    name: str = ""


class Model(Document):
    """Which model, and how to read it."""

    uri: str
    revision: str = ""
    secret_ref: ObjectReference = ObjectReference()
    task: Task = Task.AUTO
    format: Format = Format.AUTO
    name: str = ""


class Gpu(Document):
    """GPUs for each pod. An empty profile is the platform's default."""

    count: int = 0
    profile: str = ""


class Resources(Document):
    """What each pod asks for. Empty: the policy's default."""

    gpu: Gpu = Gpu()
    cpu: Quantity = ""
    memory: Quantity = ""


class ScalingMode(StrEnum):
    """Who decides how many pods there are."""

    AUTO = "auto"
    NONE = "none"
    BUILTIN = "builtin"
    HPA = "hpa"
    KEDA = "keda"


class ScalingTarget(Document):
    """What each pod is to carry. `cpu` and `memory` are percentages of the request, for `hpa`."""

    in_flight: int = 8
    cpu: int = 0
    memory: int = 0


class Scaling(Document):
    """How many pods. `replicas` counts where nothing else scales; else `min` to `max` does."""

    replicas: int = 1
    mode: ScalingMode = ScalingMode.AUTO
    min: int = 1
    max: int = 0
    target: ScalingTarget = ScalingTarget()
    window: Duration = "60s"
    scale_down_delay: Duration = "5m"
    idle_after: OptionalDuration = ""

    @property
    def effective_mode(self) -> ScalingMode:
        """The mode, with `auto` decided: builtin where there is a range to scale in, else none."""
        if self.mode != ScalingMode.AUTO:
            return self.mode
        has_range = self.max > self.min or self.idle_after
        return ScalingMode.BUILTIN if has_range else ScalingMode.NONE

    @property
    def window_seconds(self) -> int:
        """Time over which the load is averaged."""
        return parse_seconds(self.window)

    @property
    def scale_down_delay_seconds(self) -> int:
        """Time that fewer pods must have been enough before some are stopped."""
        return parse_seconds(self.scale_down_delay)

    @property
    def idle_after_seconds(self) -> int | None:
        """Time without requests after which no pod is left; None keeps `min`."""
        return parse_seconds(self.idle_after) if self.idle_after else None


class UpdateStrategy(StrEnum):
    """Whether a new pod starts beside the old one, or in its place."""

    AUTO = "auto"
    SURGE = "surge"
    REPLACE = "replace"


class OnFailure(StrEnum):
    """What happens to a revision that fails before it was ever good."""

    ROLLBACK = "rollback"
    PAUSE = "pause"


class VerifyRequest(Document):
    """A request as a client would post it."""

    path: str
    body: dict[str, Any]


class Expectation(Document):
    """What one value of the answer must be: `equals`, or `matches`, or `number` ± `tolerance`.

    `path` is a JSONPath (RFC 9535) that must select exactly one value. `equals` is any JSON but
    null. Exactly one of the three is there.
    """

    path: str
    equals: Any = None
    matches: str | None = None
    number: float | None = None
    tolerance: float = 0.0


class Verify(Document):
    """A request that a new pod asks itself before it becomes ready, and what it must answer."""

    request: VerifyRequest
    expect: tuple[Expectation, ...]
    timeout: Duration = "1m"

    @property
    def timeout_seconds(self) -> int:
        """Time that the model has to answer."""
        return parse_seconds(self.timeout)


class Update(Document):
    """How a new revision replaces an old one."""

    strategy: UpdateStrategy = UpdateStrategy.AUTO
    surge_timeout: OptionalDuration = ""
    progress_deadline: Duration = "30m"
    drain_timeout: Duration = "2m"
    on_failure: OnFailure = OnFailure.ROLLBACK
    verify: Verify | None = None

    @property
    def surge_timeout_seconds(self) -> int | None:
        """Time a pod beside the old ones may wait for a node; None is the platform's default."""
        return parse_seconds(self.surge_timeout) if self.surge_timeout else None

    @property
    def progress_deadline_seconds(self) -> int:
        """Time a revision has to become ready, loading included."""
        return parse_seconds(self.progress_deadline)

    @property
    def drain_timeout_seconds(self) -> int:
        """Time a stopping pod has to finish the requests that it has accepted."""
        return parse_seconds(self.drain_timeout)


class EnvVariable(Document):
    """An environment variable, taken literally."""

    name: str
    value: str = ""


class Runtime(Document):
    """How the runtime holds the model. An empty image is the platform's."""

    dtype: DType = DType.AUTO
    image: str = ""
    env: tuple[EnvVariable, ...] = ()


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


class Spec(Document):
    """What is wanted. Only model.uri has no default."""

    model: Model
    resources: Resources = Resources()
    scaling: Scaling = Scaling()
    update: Update = Update()
    runtime: Runtime = Runtime()
    suspend: bool = False
    pod_template: PodTemplate = PodTemplate()

    @property
    def wanted_replicas(self) -> int:
        """How many pods there are to be: none while suspended."""
        return 0 if self.suspend else self.scaling.replicas


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
    """Hashes of pod templates.

    `current` serves now, `target` is what the spec asks for, `last_good` is the newest of which all
    pods were ready together, `failed` the one that was given up.
    """

    current: str = ""
    target: str = ""
    last_good: str = ""
    failed: str = ""


class Outcome(StrEnum):
    """How the rollout of a revision ended."""

    GOOD = "Good"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"


class HistoryEntry(Document):
    """A revision whose rollout has ended, when, and how."""

    revision: str
    model_revision: str = ""
    image: str = ""
    at: str = ""
    outcome: Outcome
    reason: str = ""
    message: str = ""


class Demand(Document):
    """How many requests one gateway pod holds for a model that has no pods."""

    waiting: int = 0
    at: str = ""


class ModelFacts(Document):
    """Which commit is served, and what the runtime found in the model folder."""

    resolved_revision: str = ""
    format: str = ""
    size_bytes: int | None = None
    parameters: int | None = None


class StartupTimes(Document):
    """How long the newest ready pod of the target revision took, step by step (`9.4s`)."""

    scheduled: str = ""
    image_pull: str = ""
    download: str = ""
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
    """What is. Written by the operator only, once per change; `demand` by gateways only."""

    observed_generation: int = 0
    phase: str = ""
    conditions: tuple[StatusCondition, ...] = ()
    url: str = ""
    model_name: str = ""
    task: str = ""
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    selector: str = ""
    revision: Revision = Revision()
    history: tuple[HistoryEntry, ...] = ()
    model: ModelFacts = ModelFacts()
    startup: StartupTimes = StartupTimes()
    device: Device = Device()
    demand: dict[str, Demand] = Field(default={})
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
