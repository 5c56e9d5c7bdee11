"""Pods of a model as a person asks about them: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from modelyard_api.report import decode_report
from modelyard_cli.plugin.text import clean, clean_message, clip, read_time, tell_age

Json = dict[str, Any]

_RUNTIME: Final = "runtime"
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class LogSource:
    """Where to read what a pod said last; `previous` is the run before the present one."""

    pod: str
    container: str = _RUNTIME
    previous: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. `waits` and `died` are sentences, or empty."""

    name: str
    phase: str
    is_ready: bool
    is_leaving: bool
    restarts: int
    node: str
    created: datetime | None
    waits: str
    died: str
    log: LogSource


def parse_pod(body: Json, now: datetime) -> Pod:
    """Read a pod as the API server returns it."""
    metadata, status = body["metadata"], body.get("status") or {}
    containers = _list_containers(status)
    culprit = _find_culprit(containers)
    facts = {fact.get("type"): fact for fact in status.get("conditions") or ()}
    return Pod(
        name=metadata["name"],
        phase=clean(status.get("phase", "Unknown")),
        is_ready=facts.get("Ready", {}).get("status") == "True",
        is_leaving="deletionTimestamp" in metadata,
        restarts=sum(container.get("restartCount", 0) for container in containers),
        node=clean((body.get("spec") or {}).get("nodeName", "")),
        created=read_time(metadata.get("creationTimestamp") or ""),
        waits=_tell_wait(facts.get("PodScheduled", {}), status, culprit),
        died=_tell_death(culprit, now),
        log=LogSource(metadata["name"], culprit.get("name", _RUNTIME), _had_run_before(culprit)),
    )


def choose_log(pods: Sequence[Pod] | None, failing: str, *, is_wanted: bool) -> LogSource | None:
    """Return whose log matters: the failing pod's; else, where one is wanted, the newest's.

    A pod that is not ready has more to say than one that is. `pods` is None where nobody knows.
    """
    if pods is None:
        return LogSource(failing) if failing else None
    for pod in pods:
        if pod.name == failing:
            return pod.log
    if not is_wanted or not pods:
        return None
    return max(pods, key=lambda pod: (not pod.is_ready, not pod.is_leaving, _order(pod))).log


def _order(pod: Pod) -> float:
    return pod.created.timestamp() if pod.created is not None else 0.0


def _list_containers(status: Mapping[str, Any]) -> list[Json]:
    """Return the containers in the order in which they start."""
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def _find_culprit(containers: Sequence[Json]) -> Json:
    """Return the first container that is not done and not well, else the last one."""
    for container in containers:
        ended = (container.get("state") or {}).get("terminated")
        if not container.get("ready") and not (ended and ended.get("exitCode") == 0):
            return container
    return containers[-1] if containers else {}


def _had_run_before(container: Mapping[str, Any]) -> bool:
    """Whether the run that matters is the last one: this one has not ended by itself."""
    is_over = "terminated" in (container.get("state") or {})
    return not is_over and "terminated" in (container.get("lastState") or {})


def _tell_wait(
    scheduled: Mapping[str, Any], status: Mapping[str, Any], culprit: Mapping[str, Any]
) -> str:
    if scheduled.get("status") == "False":
        return _join(scheduled.get("reason", ""), scheduled.get("message", ""))
    waiting = (culprit.get("state") or {}).get("waiting")
    if waiting:
        return _join(waiting.get("reason", ""), waiting.get("message", ""))
    return _join(status.get("reason", ""), status.get("message", ""))  # evicted, for example


def _tell_death(container: Mapping[str, Any], now: datetime) -> str:
    states = (container.get("state") or {}, container.get("lastState") or {})
    ended = next((state["terminated"] for state in states if state.get("terminated")), None)
    if ended is None:
        return ""
    age = tell_age(read_time(ended.get("finishedAt") or ""), now)
    facts = f"{container.get('name', '')} ended {age} ago with exit code {ended.get('exitCode')}"
    reason = clean(ended.get("reason") or "")
    why = _tell_message(ended.get("message") or "")
    named = f"{facts} ({reason})" if reason and reason != "Error" else facts
    return f"{named}: {why}" if why else named


def _tell_message(message: str) -> str:
    """Return what a termination message says: the runtime's report, or a log's last line."""
    report = decode_report(message)
    if report is not None:
        return _join(report.error.reason, report.error.message) if report.error else ""
    lines = [line for line in message.splitlines() if line.strip()]
    return clip(clean(lines[-1]), _LONGEST) if lines else ""


def _join(reason: str, message: str) -> str:
    return clip(
        ": ".join(part for part in (clean(reason), clean_message(message)) if part), _LONGEST
    )
