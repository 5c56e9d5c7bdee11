"""How a pod starts: what it is doing now, and how long each step took. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard_api.durations import format_seconds, format_time
from modelyard_api.report import RuntimeReport
from modelyard_api.v1alpha1 import StartupTimes
from modelyard_operator.desired.names import FETCH_CONTAINER
from modelyard_operator.records import PodRecord

_STAGES = (
    "waiting for a node",
    "waiting for its volumes and network",
    "pulling images",
    "downloading the model",
    "downloading an adapter",
    "loading the model",
)


@dataclass(frozen=True, slots=True)
class _Stage:
    """How far a pod is, and since when."""

    number: int
    since: datetime
    created: datetime


def describe_progress(
    pods: Iterable[PodRecord], revision: str, *, deadline_seconds: int | None = None
) -> str:
    """Return what the pod of a revision that is furthest on its way, but not there, is doing.

    With a deadline also until when it may: whoever waits for a big model wants to know.
    """
    stages = [
        _find_stage(pod)
        for pod in pods
        if pod.revision == revision and not pod.is_terminating and not pod.is_ready
    ]
    if not stages:
        return "waiting for its pod"
    stage = max(stages, key=lambda stage: (stage.number, -stage.since.timestamp()))
    told = f"{_STAGES[stage.number]} since {format_time(stage.since)}"
    if deadline_seconds is None:
        return told
    until = stage.created + timedelta(seconds=deadline_seconds)
    return f"{told}, for which it has until {format_time(until)} (spec.update.progressDeadline)"


def _find_stage(pod: PodRecord) -> _Stage:
    number, since = _find_step(pod)
    return _Stage(number, since, pod.created)


def _find_step(pod: PodRecord) -> tuple[int, datetime]:
    if pod.running_since is not None:
        return _find_running_step(pod), pod.running_since
    sandbox, scheduled = pod.since("PodReadyToStartContainers"), pod.since("PodScheduled")
    if sandbox is not None:
        return 2, sandbox
    return (1, scheduled) if scheduled is not None else (0, pod.created)


def _find_running_step(pod: PodRecord) -> int:
    if not pod.is_fetching:
        return 5
    return 3 if pod.fetcher == FETCH_CONTAINER else 4


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
    downloads = list(pod.downloads.values())
    begun = downloads[0].started if downloads else pod.running_since
    steps = report.startup if report is not None else None
    return StartupTimes(
        scheduled=_format_span(pod.created, pod.since("PodScheduled")),
        # A restarted container's start says nothing about the pull.
        image_pull="" if pod.restarts else _format_span(sandbox, begun),
        download=_format_span(begun, downloads[-1].finished) if downloads else "",
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
