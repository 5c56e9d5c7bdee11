"""Where the process is in its life, in one place that probes, service and report all read."""

from modelyard_api.report import ReportedError, ReportedStartup, State, Verification
from modelyard_api.serving import ServingConfig
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine


class Lifecycle:
    """loading → warming → ready → draining, and failed from anywhere."""

    def __init__(self, config: ServingConfig) -> None:
        self.config = config
        self.state = State.LOADING
        self.engine: GenerationEngine | BatchEngine | None = None
        self.startup = ReportedStartup()
        self.error: ReportedError | None = None
        #: How the declared verification went; None where there is none, or it is not over.
        self.verification: Verification | None = None
        #: The model answered its warm-up, and as verified: stays true for good.
        self.warm = False
        #: New requests are let in: from ready until some time after the drain began, so that
        #: requests which were on their way are still served.
        self.admitting = False

    @property
    def engine_alive(self) -> bool:
        """False once a loaded engine has died; a model that is still loading is no failure."""
        return self.engine is None or self.engine.alive

    @property
    def is_ready(self) -> bool:
        """New clients may come."""
        return self.state is State.READY and self.engine_alive

    @property
    def is_stopping(self) -> bool:
        """Clients had better go elsewhere for their next request."""
        return self.state in {State.DRAINING, State.FAILED}

    def finish_load(self, engine: GenerationEngine | BatchEngine, *, seconds: float) -> None:
        """The model is in memory; the warm-up is next, and then the verification."""
        self.engine = engine
        self.state = State.WARMING
        self.startup = ReportedStartup(load=seconds)

    def finish_warmup(self, *, seconds: float, total_seconds: float | None) -> None:
        """The model has answered, and as it should: open the door."""
        self.startup = ReportedStartup(load=self.startup.load, warmup=seconds, total=total_seconds)
        self.state = State.READY
        self.warm = True
        self.admitting = True

    def begin_drain(self) -> None:
        """Not ready any more, while requests are still taken."""
        self.state = State.DRAINING

    def stop_admitting(self) -> None:
        """From here on, only what is inside is finished."""
        self.admitting = False

    def fail(self, error: ReportedError) -> None:
        """Nothing works any more; the process is about to end."""
        self.state = State.FAILED
        self.error = error
        self.admitting = False
