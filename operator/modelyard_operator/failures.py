"""Why pods do not serve, and what a person can do about it: pure, over pod records.

Slow is not failed: a pod that is being scheduled, pulls or loads has no failure.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelyard_api.meta import EXIT_CANNOT_START, Reason
from modelyard_api.report import decode_report
from modelyard_api.v1alpha1 import Failure, ModelDeployment
from modelyard_operator.desired.model_source import read_image_reference
from modelyard_operator.desired.names import CONTAINER, FETCH_CONTAINER
from modelyard_operator.records import Exit, PodRecord
from modelyard_operator.redaction import clean_message, clean_tail

_MESSAGE_LIMIT = 1024
_LOG_LIMIT = 2048
_KILLED = 137
#: Exit codes of a runtime that was asked to stop: gracefully, by SIGTERM, by SIGKILL.
_STOPPED = frozenset({0, 143, _KILLED})

_PULL_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
#: The kubelet repeats the last error behind this, so that it alternates with the error itself.
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*":?\s*(?:\w+:\s*)?')
_MISSING = re.compile(r"\d+ Insufficient ([\w./-]*\w)")


@dataclass(frozen=True, slots=True)
class Cause:
    """What is known of one pod's failure. Only the last exit has a time of its own."""

    reason: str
    message: str
    hint: str
    exit: Exit | None = None
    log_tail: str = ""


Explain = Callable[[ModelDeployment, PodRecord], Cause | None]


def find_failure(
    md: ModelDeployment, revision: str, pods: Iterable[PodRecord], now: str
) -> Failure | None:
    """Return the failure of a pod of the target revision, None while all are well or on the way.

    Among several, the pod named in the last status stays as long as it fails, so that the status
    does not hop; `at` stays while the same pod fails for the same reason.
    """
    causes = {
        pod.name: cause
        for pod in sorted(_select_current(pods, revision), key=lambda pod: pod.name)
        if (cause := explain(md, pod)) is not None
    }
    if not causes:
        return None
    last = md.status.failure
    name = last.pod if last is not None and last.pod in causes else next(iter(causes))
    cause = causes[name]
    same = last is not None and (last.pod, last.reason) == (name, cause.reason)
    return Failure(
        reason=cause.reason,
        message=clean_message(cause.message, _MESSAGE_LIMIT),
        pod=name,
        exit_code=cause.exit.code if cause.exit is not None else None,
        log_tail=clean_tail(cause.log_tail, _LOG_LIMIT),
        hint=clean_message(cause.hint, _MESSAGE_LIMIT),
        at=last.at if last is not None and same else now,
    )


def _select_current(pods: Iterable[PodRecord], revision: str) -> list[PodRecord]:
    """Leave out pods that the node gave up on (evicted, say) once others are in their place."""
    of_revision = [pod for pod in pods if pod.revision == revision and not pod.is_terminating]
    return [pod for pod in of_revision if pod.phase != "Failed"] or of_revision


def describe_failure(failure: Failure) -> str:
    """Return what happened and what to do, as one text."""
    what = failure.message.rstrip()
    stop = "" if what.endswith((".", "!", "?", "…")) else "."
    return f"{what}{stop} {failure.hint}".strip()


def explain(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return why one pod does not serve, None when it does, may soon, or is on its way out."""
    if pod.is_ready or pod.is_terminating or pod.phase == "Succeeded":
        return None
    return next((cause for check in _CHECKS if (cause := check(md, pod)) is not None), None)


def _explain_unschedulable(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    fact = pod.fact("PodScheduled")
    if fact is None or fact.status != "False" or fact.reason != "Unschedulable":
        return None
    missing = set(_MISSING.findall(fact.message))
    return Cause(Reason.UNSCHEDULABLE, fact.message, _hint_at_missing(md, missing))


def _hint_at_missing(md: ModelDeployment, missing: set[str]) -> str:
    asked = md.spec.resources
    gpus = sorted(resource for resource in missing if "/" in resource)
    if asked.gpu.count and gpus:
        return (
            f"Each pod asks for {asked.gpu.count} of {gpus[0]}, and no node has as many free. "
            "Add a GPU node, free one, or lower spec.resources.gpu.count "
            "(`kubectl describe nodes` shows what is allocatable)."
        )
    if "memory" in missing:
        return "No node has the memory free: add a node or lower spec.resources.memory."
    if "cpu" in missing:
        return "No node has the CPU free: add a node or lower spec.resources.cpu."
    return "No node fits: the message says what each kind of node lacks or refuses."


def _explain_pull(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    if pod.waiting_reason not in _PULL_REASONS:
        return None
    message = _BACK_OFF.sub("", pod.waiting_message) or pod.waiting_message
    reference = read_image_reference(md.spec.model.uri)
    # The kubelet reports the image of a volume on the container that mounts it; only the
    # reference in the message tells the two apart.
    if reference in pod.waiting_message:
        hint = (
            f"The nodes cannot pull the model's image {reference}. Check spec.model.uri, and "
            "that the registry knows it, is reachable from the nodes and lets them pull."
        )
        return Cause(Reason.MODEL_IMAGE_PULL_FAILED, message or pod.waiting_reason, hint)
    hint = (
        "The nodes cannot pull the runtime's image. It is the platform's, not the model's: the "
        "administrator sets it in the chart (runtime.image) and the nodes must be able to pull it."
    )
    return Cause(Reason.IMAGE_PULL_FAILED, message or pod.waiting_reason, hint)


def _explain_report(_: ModelDeployment, pod: PodRecord) -> Cause | None:
    ended = pod.last_exit
    if ended is None or ended.code != EXIT_CANNOT_START:
        return None
    report = decode_report(ended.message)
    if report is None or report.error is None:
        return None
    error = report.error
    return Cause(error.reason, error.message, error.hint, exit=ended)


def _explain_memory(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    ended = pod.last_exit
    if ended is None:
        return None
    limit = pod.memory_limit
    if ended.reason == "OOMKilled":
        what = (
            f"killed by the kernel at its memory limit of {limit}"
            if limit
            else ("killed by the kernel, since the node ran out of memory")
        )
    elif ended.code == _KILLED and limit and not _had_whole_deadline(md, pod, ended):
        # Some container runtimes miss the kernel's notice and report only SIGKILL.
        what = f"killed (exit code 137), most likely at its memory limit of {limit}"
    else:
        return None
    hint = (
        f"Raise spec.resources.memory (it has {limit or 'no limit; the node ran out'}), "
        "or serve a smaller model or number type."
    )
    return Cause(
        Reason.OUT_OF_MEMORY,
        f"{_name_container(pod)} was {what}{_describe_restarts(pod)}.",
        hint,
        exit=ended,
        log_tail=ended.message,
    )


def _explain_crash(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    ended = pod.last_exit
    if ended is None:
        return None
    if _had_whole_deadline(md, pod, ended):
        deadline = md.spec.update.progress_deadline
        return Cause(
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            f"The runtime was stopped: it had not loaded the model within {deadline}.",
            "Raise spec.update.progressDeadline, or give the pod more CPU or a faster disk.",
            exit=ended,
            log_tail=ended.message,
        )
    container = FETCH_CONTAINER if pod.is_fetching else CONTAINER
    return Cause(
        Reason.CRASHED,
        f"{_name_container(pod)} ended with exit code {ended.code}{_describe_restarts(pod)}.",
        "logTail has its last lines; the whole log: "
        f"kubectl -n {pod.namespace} logs {pod.name} -c {container} --previous",
        exit=ended,
        log_tail=ended.message,
    )


def _explain_refused(_: ModelDeployment, pod: PodRecord) -> Cause | None:
    refused = {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "PreCreateHookError",
    }
    if pod.waiting_reason in refused:
        what = f"{pod.waiting_reason}: {pod.waiting_message}"
    elif pod.phase == "Failed" and pod.reason:
        what = f"{pod.reason}: {pod.message}"
    else:
        return None
    hint = (
        "The node refused or evicted the pod; "
        f"kubectl -n {pod.namespace} describe pod {pod.name} shows its events."
    )
    return Cause(Reason.CONTAINER_REFUSED, what, hint)


_CHECKS: tuple[Explain, ...] = (
    _explain_unschedulable,
    _explain_pull,
    _explain_refused,
    _explain_report,
    _explain_memory,
    _explain_crash,
)


def _had_whole_deadline(md: ModelDeployment, pod: PodRecord, ended: Exit) -> bool:
    """Tell the kubelet's kill of a container that never started up from any other end."""
    if pod.is_fetching or ended.code not in _STOPPED:
        return False  # nothing limits the time of a download but the Deployment's own deadline
    if ended.started is None or ended.finished is None:
        return False
    ready = pod.fact("Ready")
    if ready is not None and ready.since is not None and ready.since > ended.started:
        return False  # it had served in that run
    ran_seconds = (ended.finished - ended.started).total_seconds()
    return ran_seconds >= md.spec.update.progress_deadline_seconds


def _name_container(pod: PodRecord) -> str:
    return "The download of the model" if pod.is_fetching else "The runtime"


def _describe_restarts(pod: PodRecord) -> str:
    if not pod.restarts:
        return ""
    return f", {pod.restarts} restart{'s' if pod.restarts > 1 else ''} so far"
