"""The operator's own metrics, all declared here."""

from collections import Counter as Counting
from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from modelyard_api.meta import Phase
from modelyard_kube.transport import Call
from modelyard_operator import __version__

_PREFIX = "modelyard_operator_"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Outcome(StrEnum):
    """How a reconcile ended."""

    DONE = "done"
    RETRY = "retry"
    """The cluster did not let us; tried again with backoff."""
    FAULT = "fault"
    """An error of ours, logged with its traceback; tried again with backoff."""


class Direction(StrEnum):
    """Which way a model was scaled."""

    UP = "up"
    DOWN = "down"


class Metrics:
    """What one process tells of itself. docs/operations.md says what each one means."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._gauge("build_info", "Always 1.", "version").labels(__version__).set(1)
        self.adds = self._counter(
            "queue_adds_total", "Keys put into the work queue, by priority.", "priority"
        )
        self.outcomes = self._counter("reconciles_total", "Reconciles by outcome.", "outcome")
        for outcome in Outcome:  # a rate sees a first fault only where a zero went before it
            self.outcomes.labels(outcome)
        self.writes = self._counter(
            "writes_total", "Writes to the cluster, by kind; Status is a model's.", "kind"
        )
        self.wait_seconds = self._histogram("queue_wait_seconds", "Time a key waited for a worker.")
        self.work_seconds = self._histogram("reconcile_seconds", "Time a reconcile took.")
        self.depth = self._gauge("queue_depth", "Keys waiting for a worker.")
        self.delayed = self._gauge("queue_delayed", "Keys waiting for a time.")
        self.running = self._gauge("queue_running", "Keys being worked on.")
        self.longest = self._gauge("longest_running_seconds", "Age of the oldest work in progress.")
        self.oldest = self._gauge("oldest_waiting_seconds", "Age of the oldest waiting key.")
        self.leader = self._gauge("is_leader", "1 while this process holds the lease, else 0.")
        self.objects = self._gauge("modeldeployments", "ModelDeployments that are known.")
        self._phases = self._gauge(
            "modeldeployments_by_phase", "ModelDeployments that were looked at, by phase.", "phase"
        )
        self.dropped = self._gauge("events_dropped", "Events that were not posted.")
        self.scaled = self._gauge("models_scaled", "ModelDeployments that the operator scales.")
        self.scale_changes = self._counter(
            "scale_changes_total", "Changes of a model's pods by load, by direction.", "direction"
        )
        for direction in Direction:
            self.scale_changes.labels(direction)
        self.scale_faults = self._counter(
            "scale_faults_total", "Looks at a model's load that ended in an error of ours."
        )
        self.loads_read = self._counter("loads_read_total", "Answers of pods on their load.")
        self.loads_missed = self._counter(
            "loads_missed_total", "Ready pods that did not answer how busy they are."
        )
        self.lag = self._gauge("audit_lag", "Objects whose events the last comparison missed.")
        self.watch_age = self._gauge(
            "watch_age_seconds", "Time since a watch was last known to be alive.", "resource"
        )
        self._api_requests = self._counter(
            "api_requests_total", "Requests to the API server.", "verb", "resource", "code"
        )
        self._api_seconds = self._histogram(
            "api_request_seconds", "Time until the API server had answered.", "verb"
        )

    def observe_call(self, call: Call, status: int, seconds: float) -> None:
        """Count a request to the API server."""
        self._api_requests.labels(call.verb, call.resource, str(status) if status else "none").inc()
        self._api_seconds.labels(call.verb).observe(seconds)

    def set_phases(self, phases: Iterable[str]) -> None:
        """Count the models of each phase, phases without any included."""
        counted = Counting(phases)
        for phase in Phase:
            self._phases.labels(phase).set(counted[phase])

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(_PREFIX + name, text, labels, buckets=_SECONDS, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(_PREFIX + name, text, labels, registry=self.registry)
