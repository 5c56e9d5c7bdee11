"""The operator's own metrics, all declared here."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Outcome(StrEnum):
    """How a reconcile ended."""

    DONE = "done"
    RETRY = "retry"
    """The cluster did not let us; tried again with backoff."""
    FAULT = "fault"
    """An error of ours, logged with its traceback; tried again with backoff."""


class Metrics:
    """Counters and histograms of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.adds = Counter(
            "modelyard_operator_queue_adds_total",
            "Keys put into the work queue, by priority.",
            ["priority"],
            registry=registry,
        )
        self.wait_seconds = Histogram(
            "modelyard_operator_queue_wait_seconds",
            "Time a key waited for a worker.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.work_seconds = Histogram(
            "modelyard_operator_reconcile_seconds",
            "Time a reconcile took.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.outcomes = Counter(
            "modelyard_operator_reconciles_total",
            "Reconciles by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.writes = Counter(
            "modelyard_operator_writes_total",
            "Writes to the cluster, by kind; Status is a ModelDeployment's.",
            ["kind"],
            registry=registry,
        )
        self.depth = self._gauge("modelyard_operator_queue_depth", "Keys waiting for a worker.")
        self.delayed = self._gauge("modelyard_operator_queue_delayed", "Keys waiting for a time.")
        self.running = self._gauge("modelyard_operator_queue_running", "Keys being worked on.")
        self.longest = self._gauge(
            "modelyard_operator_longest_running_seconds", "Age of the oldest work in progress."
        )
        self.objects = self._gauge(
            "modelyard_operator_modeldeployments", "ModelDeployments that are known."
        )
        self.lag = self._gauge(
            "modelyard_operator_audit_lag", "Objects whose last event the audit had to replace."
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)
