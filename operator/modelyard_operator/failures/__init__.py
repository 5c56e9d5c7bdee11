"""Why pods do not serve, and what a person can do about it: pure, over pod records.

Slow is not failed: a pod that is being scheduled, pulls or loads has no failure.
"""

from collections.abc import Iterable

from modelyard_api.v1alpha1 import Failure, ModelDeployment
from modelyard_operator.failures.cause import Cause, Explain, end_sentence
from modelyard_operator.failures.exits import explain_crash, explain_memory, explain_report
from modelyard_operator.failures.pulling import explain_pull
from modelyard_operator.failures.refused import explain_eviction, explain_refused
from modelyard_operator.failures.scheduling import explain_unschedulable
from modelyard_operator.records import PodRecord
from modelyard_operator.redaction import clean_message, clean_tail

#: An Event holds both in its 1024 bytes.
_MESSAGE_LIMIT = 512
_HINT_LIMIT = 480
#: Less than the 2048 bytes that the kubelet keeps of a log, since those begin within a line.
_LOG_LIMIT = 2000

_CHECKS: tuple[Explain, ...] = (
    explain_unschedulable,
    explain_pull,
    explain_refused,
    explain_eviction,
    explain_report,
    explain_memory,
    explain_crash,
)


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
        hint=clean_message(cause.hint, _HINT_LIMIT),
        at=last.at if last is not None and same else now,
    )


def describe_failure(failure: Failure) -> str:
    """Return what happened and what to do, as one text."""
    return f"{end_sentence(failure.message)} {failure.hint}".strip()


def explain(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return why one pod does not serve, None when it does, may soon, or is on its way out."""
    if pod.is_ready or pod.is_terminating or pod.phase == "Succeeded":
        return None
    return next((cause for check in _CHECKS if (cause := check(md, pod)) is not None), None)


def _select_current(pods: Iterable[PodRecord], revision: str) -> list[PodRecord]:
    """Leave out pods that the node gave up on (evicted, say) once others are in their place."""
    of_revision = [pod for pod in pods if pod.revision == revision and not pod.is_terminating]
    return [pod for pod in of_revision if pod.phase != "Failed"] or of_revision
