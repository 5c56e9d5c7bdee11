"""Which changes of a status are worth an Event: pure."""

from modelyard_api.meta import Condition, Reason
from modelyard_api.v1alpha1 import ConditionStatus, Status, StatusCondition
from modelyard_kube.events import Notice
from modelyard_operator.failures import describe_failure

_GIVEN_UP = frozenset({Reason.ROLLED_BACK, Reason.UPDATE_PAUSED})


def find_notices(last: Status, status: Status) -> tuple[Notice, ...]:
    """Return what a person wants to hear of: a refusal, a failure, a new revision, readiness."""
    found = (
        _notice_refusal(last, status),
        _notice_revision(last, status),
        _notice_replacing(last, status),
        _notice_failure(last, status),
        _notice_given_up(last, status),
        _notice_readiness(last, status),
    )
    return tuple(notice for notice in found if notice is not None)


def _notice_refusal(last: Status, status: Status) -> Notice | None:
    accepted, before = _find(status, Condition.ACCEPTED), _find(last, Condition.ACCEPTED)
    if accepted is None or accepted.status == ConditionStatus.TRUE:
        return None
    if before is not None and (before.status, before.message) == (
        accepted.status,
        accepted.message,
    ):
        return None
    return Notice("Warning", accepted.reason, accepted.message)


def _notice_failure(last: Status, status: Status) -> Notice | None:
    if status.failure is None:
        return None
    if last.failure is not None and last.failure.reason == status.failure.reason:
        return None
    return Notice("Warning", status.failure.reason, describe_failure(status.failure))


def _notice_revision(last: Status, status: Status) -> Notice | None:
    before, target = last.revision.target, status.revision.target
    if not before or not target or before == target:
        return None
    return Notice("Normal", "RollingOut", f"Rolling out revision {target} after {before}.")


def _notice_replacing(last: Status, status: Status) -> Notice | None:
    progress, before = _find(status, Condition.PROGRESSING), _find(last, Condition.PROGRESSING)
    if progress is None or progress.reason != Reason.REPLACING:
        return None
    if before is not None and before.reason == Reason.REPLACING:
        return None
    return Notice("Normal", Reason.REPLACING, progress.message)


def _notice_given_up(last: Status, status: Status) -> Notice | None:
    progress, before = _find(status, Condition.PROGRESSING), _find(last, Condition.PROGRESSING)
    if progress is None or progress.reason not in _GIVEN_UP:
        return None
    if before is not None and before.reason == progress.reason and not _is_other(last, status):
        return None
    return Notice("Warning", progress.reason, progress.message)


def _is_other(last: Status, status: Status) -> bool:
    return last.revision.failed != status.revision.failed


def _notice_readiness(last: Status, status: Status) -> Notice | None:
    ready, before = _find(status, Condition.READY), _find(last, Condition.READY)
    if ready is None or ready.status != ConditionStatus.TRUE:
        return None
    if before is not None and before.status == ConditionStatus.TRUE:
        return None
    # The revision makes it another sentence after each update: one that repeats is only counted.
    where = f"Revision {status.revision.target} serves at {status.url}."
    return Notice("Normal", "Ready", f"{ready.message} {where}")


def _find(status: Status, kind: Condition) -> StatusCondition | None:
    return next((known for known in status.conditions if known.type == kind), None)
