"""How a pod starts: what it is doing now, and how long each step took. Pure."""

from collections.abc import Iterable
from datetime import datetime

from modelyard_api.durations import format_seconds
from modelyard_api.report import RuntimeReport
from modelyard_api.v1alpha1 import StartupTimes
from modelyard_operator.records import PodRecord

_STAGES = (
    "waiting for a node",
    "waiting for its volumes and network",
    "pulling images",
    "downloading the model",
    "loading the model",
    "serving",
)


def describe_progress(pods: Iterable[PodRecord], revision: str) -> str:
    """Return what the pod of a revision that is furthest on its way, but not there, is doing."""
    stages = [
        _find_stage(pod)
        for pod in pods
        if pod.revision == revision and not pod.is_terminating and not pod.is_ready
    ]
    return _STAGES[max(stages)] if stages else "waiting for its pod"


def _find_stage(pod: PodRecord) -> int:
    if pod.running_since is not None:
        return 3 if pod.is_fetching else 4
    if pod.since("PodReadyToStartContainers") is not None:
        return 2
    return 1 if pod.since("PodScheduled") is not None else 0


def find_newest_ready(pods: Iterable[PodRecord], revision: str) -> PodRecord | None:
    """Return the pod of a revision that became ready last."""
    ready = [pod for pod in pods if pod.revision == revision and pod.is_ready]
    return max(ready, key=lambda pod: (pod.since("Ready"), pod.name), default=None)


def measure_startup(pod: PodRecord, report: RuntimeReport | None) -> StartupTimes:
    """Return the steps of a ready pod's start; a step that cannot be known stays empty.

    The kubelet pulls the images, the model's too, between the pod's sandbox and the start of its
    first container. Kubernetes' times are whole seconds.
    """
    sandbox = pod.since("PodReadyToStartContainers")
    fetched = pod.fetched
    begun = fetched.started if fetched is not None else pod.running_since
    steps = report.startup if report is not None else None
    return StartupTimes(
        scheduled=_format_span(pod.created, pod.since("PodScheduled")),
        # A restarted container's start says nothing about the pull.
        image_pull="" if pod.restarts else _format_span(sandbox, begun),
        download=_format_span(fetched.started, fetched.finished) if fetched is not None else "",
        load=_format(steps.load if steps else None),
        warmup=_format(steps.warmup if steps else None),
        total=_format_span(pod.created, pod.since("Ready")),
    )


def _format_span(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return ""
    # Clocks of the nodes and the control plane differ by a little.
    return format_seconds(max((end - start).total_seconds(), 0.0))


def _format(seconds: float | None) -> str:
    return "" if seconds is None else format_seconds(seconds)
