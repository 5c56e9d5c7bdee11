"""What is wanted: `spec` of a ModelDeployment."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator

from modelyard_api.document import Document
from modelyard_api.durations import Duration, OptionalDuration, parse_seconds
from modelyard_api.v1alpha1.pod_template import PodTemplate

#: A Kubernetes quantity; YAML may say `cpu: 2`, which arrives as an integer.
Quantity = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int) else v)]


class Task(StrEnum):
    """What a model does. `auto` lets the runtime read it from the model folder."""

    AUTO = "auto"
    TEXT_GENERATION = "text-generation"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    FILL_MASK = "fill-mask"
    TEXT_CLASSIFICATION = "text-classification"
    TOKEN_CLASSIFICATION = "token-classification"  # noqa: S105 - a task
    QUESTION_ANSWERING = "question-answering"
    SUMMARIZATION = "summarization"
    TRANSLATION = "translation"
    ZERO_SHOT_CLASSIFICATION = "zero-shot-classification"
    IMAGE_CLASSIFICATION = "image-classification"
    OBJECT_DETECTION = "object-detection"
    AUTOMATIC_SPEECH_RECOGNITION = "automatic-speech-recognition"
    PREDICT = "predict"


class Format(StrEnum):
    """How the model folder is written. `auto` lets the runtime look."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    GGUF = "gguf"
    ONNX = "onnx"
    KERAS = "keras"
    TORCHSCRIPT = "torchscript"
    TORCH_EXPORT = "torch-export"
    STATE_DICT = "state-dict"


class DType(StrEnum):
    """Number type of the weights. `auto`: as stored on a GPU, float32 on a CPU."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class ObjectReference(Document):
    """Another object of the same namespace; an empty name refers to none."""

    name: str = ""


class Adapter(Document):
    """A LoRA adapter of the model, and what clients call it."""

    name: str
    uri: str
    revision: str = ""
    secret_ref: ObjectReference = ObjectReference()


class Model(Document):
    """Which model, and how to read it."""

    uri: str
    revision: str = ""
    secret_ref: ObjectReference = ObjectReference()
    task: Task = Task.AUTO
    format: Format = Format.AUTO
    entrypoint: str = ""
    allow_code: bool = False
    name: str = ""
    adapters: tuple[Adapter, ...] = ()


class Quantization(StrEnum):
    """How the weights of linear layers are stored. `dynamic-int8` also computes in int8."""

    NONE = "none"
    DYNAMIC_INT8 = "dynamic-int8"
    INT8 = "int8"
    INT4 = "int4"


class Export(StrEnum):
    """Another library that computes the model."""

    NONE = "none"
    ONNX = "onnx"


class Pruning(Document):
    """The share of each linear layer's weights that becomes zero, the smallest first."""

    sparsity: float = 0.0


class Optimize(Document):
    """What is done to the model when it is loaded, and how far it may then differ.

    `min_agreement`: so many of the original's answers, 0 to 1, must stay as they are.
    """

    quantization: Quantization = Quantization.NONE
    pruning: Pruning = Pruning()
    compile: bool = False
    export: Export = Export.NONE
    min_agreement: float = 0.9

    @property
    def steps(self) -> str:
        """What is done, in this order, as people say it; empty where the model stays as it is."""
        sparsity = self.pruning.sparsity
        done = (
            f"pruning {sparsity:g}" if sparsity > 0 else "",
            "" if self.quantization is Quantization.NONE else self.quantization.value,
            "" if self.export is Export.NONE else self.export.value,
            "compile" if self.compile else "",
        )
        return ", ".join(step for step in done if step)


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


class Access(Document):
    """Who may ask, where no gateway decides it. Without a Secret of keys everybody may."""

    keys_secret_ref: ObjectReference = ObjectReference()
    tls_secret_ref: ObjectReference = ObjectReference()
    audit: bool = False


class EnvVariable(Document):
    """An environment variable, taken literally."""

    name: str
    value: str = ""


class Runtime(Document):
    """How the runtime holds the model. An empty image is the platform's."""

    dtype: DType = DType.AUTO
    image: str = ""
    env: tuple[EnvVariable, ...] = ()


class Spec(Document):
    """What is wanted. Only model.uri has no default."""

    model: Model
    optimize: Optimize = Optimize()
    resources: Resources = Resources()
    scaling: Scaling = Scaling()
    update: Update = Update()
    access: Access = Access()
    runtime: Runtime = Runtime()
    suspend: bool = False
    pod_template: PodTemplate = PodTemplate()

    @property
    def wanted_replicas(self) -> int:
        """How many pods there are to be: none while suspended."""
        return 0 if self.suspend else self.scaling.replicas
