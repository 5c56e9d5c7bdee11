"""The operator's own metrics, all declared here."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "modelyard_operator_"
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
        self.registry = CollectorRegistry()
        self.adds = self._counter(
            "queue_adds_total", "Keys put into the work queue, by priority.", "priority"
        )
        self.outcomes = self._counter("reconciles_total", "Reconciles by outcome.", "outcome")
        self.writes = self._counter(
            "writes_total", "Writes to the cluster, by kind; Status is a model's.", "kind"
        )
        self.wait_seconds = self._histogram("queue_wait_seconds", "Time a key waited for a worker.")
        self.work_seconds = self._histogram("reconcile_seconds", "Time a reconcile took.")
        self.depth = self._gauge("queue_depth", "Keys waiting for a worker.")
        self.delayed = self._gauge("queue_delayed", "Keys waiting for a time.")
        self.running = self._gauge("queue_running", "Keys being worked on.")
        self.longest = self._gauge("longest_running_seconds", "Age of the oldest work in progress.")
        self.objects = self._gauge("modeldeployments", "ModelDeployments that are known.")
        self.dropped = self._gauge("events_dropped", "Events that were not posted.")
        self.lag = self._gauge(
            "audit_lag", "Objects whose events were missing at the last comparison."
        )

    def _counter(self, name: str, text: str, label: str) -> Counter:
        return Counter(_PREFIX + name, text, [label], registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(_PREFIX + name, text, buckets=_SECONDS, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(_PREFIX + name, text, registry=self.registry)
