"""What is: `status` of a ModelDeployment."""

from enum import StrEnum

from pydantic import Field

from modelyard_api.document import Document


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


class Measured(Document):
    """A model's size in memory, and the median time of one example, or of one token generated.

    `accuracy` is the share of right answers, 0 to 1, where the model brings an evaluation.json.
    """

    size_bytes: int
    milliseconds: float
    accuracy: float | None = None


class Optimization(Document):
    """What `spec.optimize` did to the model.

    `agreement` is the share of the original's answers, 0 to 1, that stayed as they were on so many
    examples.
    """

    steps: str
    agreement: float
    examples: int
    before: Measured
    after: Measured


class AdapterFacts(Document):
    """What clients call an adapter, and which commit or digest of it is served."""

    name: str
    resolved_revision: str = ""


class ModelFacts(Document):
    """Which commit or digest is served, and what the runtime found in the model folder."""

    resolved_revision: str = ""
    adapters: tuple[AdapterFacts, ...] = ()
    format: str = ""
    size_bytes: int | None = None
    parameters: int | None = None
    optimization: Optimization | None = None


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
