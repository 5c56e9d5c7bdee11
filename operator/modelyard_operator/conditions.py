"""The four conditions: pure, and all set on every pass. docs/status.md is their contract."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard_api.meta import Condition, Reason
from modelyard_api.v1alpha1 import ConditionStatus, Metadata, Status, StatusCondition
from modelyard_operator.desired.ledger import FailedRevision
from modelyard_operator.errors import Refused
from modelyard_operator.failures import describe_failure
from modelyard_operator.records import Rollout
from modelyard_operator.redaction import clean_message
from modelyard_operator.standing import Standing
from modelyard_operator.startup import describe_progress

_MESSAGE_LIMIT = 2048


@dataclass(frozen=True, slots=True)
class _Verdict:
    status: ConditionStatus
    reason: str
    message: str


def build_conditions(standing: Standing, now: str) -> tuple[StatusCondition, ...]:
    """Return the conditions of an accepted object."""
    verdicts = {
        Condition.ACCEPTED: _yes(Reason.ACCEPTED, "The spec is valid and allowed."),
        Condition.PROGRESSING: _judge_progress(standing),
        Condition.AVAILABLE: _judge_availability(standing),
        Condition.READY: _judge_readiness(standing),
    }
    return _stamp(standing.md.metadata, standing.md.status, verdicts, now)


def build_refused_conditions(
    metadata: Metadata, last: Status, refused: Refused, rollout: Rollout, now: str
) -> tuple[StatusCondition, ...]:
    """Return the conditions of an object that is not acted upon; what serves still shows."""
    why = _no(refused.reason, refused.message)
    idle = _no(Reason.NOT_ACCEPTED, "Nothing is done until the object is accepted.")
    verdicts = {
        Condition.ACCEPTED: why,
        Condition.PROGRESSING: idle,
        Condition.AVAILABLE: _serving(rollout.ready) if rollout.ready else idle,
        # People look at Ready first (`kubectl get` prints its reason): it says what to act upon.
        Condition.READY: why,
    }
    return _stamp(metadata, last, verdicts, now)


def _judge_progress(standing: Standing) -> _Verdict:
    if standing.is_settled and not standing.wanted:
        return _no(_name_rest(standing), "No pods are wanted and none is left.")
    if standing.given_up is not None and standing.wanted:
        return _judge_given_up(standing, standing.given_up)
    if standing.is_complete:
        return _no(Reason.ROLLOUT_COMPLETE, _count_pods(standing.wanted))
    if standing.failure is not None:
        return _no(standing.failure.reason, standing.failure.message)
    return _yes(_name_rollout(standing), _describe_rollout(standing))


def _judge_given_up(standing: Standing, failed: FailedRevision) -> _Verdict:
    what = f"Revision {failed.revision} failed before it was ever good: {failed.failure.reason}."
    if failed.is_paused:
        return _no(
            Reason.UPDATE_PAUSED,
            f"{what} The update stopped there (spec.update.onFailure: pause).",
        )
    if standing.is_asleep:
        serves = "serves again when somebody asks"
    else:
        serves = "serves again" if standing.rollout.ready else "is being started again"
    return _no(Reason.ROLLED_BACK, f"{what} The last good revision, {standing.revision}, {serves}.")


def _judge_availability(standing: Standing) -> _Verdict:
    if standing.failure is not None and standing.failure.reason == Reason.DEVICE_MISMATCH:
        # It answers, but not as was asked for, and most likely far too slowly.
        return _no(standing.failure.reason, standing.failure.message)
    if standing.rollout.ready:
        return _serving(standing.rollout.ready)
    if not standing.wanted:
        return _no(_name_rest(standing), "No pods are wanted.")
    if standing.failure is not None:
        return _no(standing.failure.reason, standing.failure.message)
    return _no(Reason.STARTING, "No pod serves yet.")


def _judge_readiness(standing: Standing) -> _Verdict:
    if standing.is_asleep:
        return _judge_sleep(standing)
    if not standing.wanted:
        is_suspended = standing.md.spec.suspend
        field = "spec.suspend is true" if is_suspended else "spec.scaling.replicas is 0"
        return _no(_name_rest(standing), f"{field}.")
    if standing.given_up is not None and standing.failure is not None:
        verdict = _judge_given_up(standing, standing.given_up)
        return _no(verdict.reason, f"{verdict.message} {describe_failure(standing.failure)}")
    if standing.is_complete:
        return _yes(Reason.SERVING, _count_pods(standing.wanted))
    if standing.failure is not None:
        return _no(standing.failure.reason, describe_failure(standing.failure))
    return _no(_name_rollout(standing), _describe_rollout(standing))


def _judge_sleep(standing: Standing) -> _Verdict:
    if standing.given_up is not None:
        return _judge_given_up(standing, standing.given_up)
    if standing.ledger is not None and standing.ledger.is_good:
        return _yes(Reason.SLEEPING, "No pods until somebody asks; the gateway wakes the model.")
    return _no(
        Reason.SLEEPING,
        "No pods until somebody asks, and this revision has not served yet: whether it can is seen "
        "when the gateway wakes the model.",
    )


def _name_rest(standing: Standing) -> Reason:
    if standing.is_asleep:
        return Reason.SLEEPING
    return Reason.SUSPENDED if standing.md.spec.suspend else Reason.SCALED_TO_ZERO


def _name_rollout(standing: Standing) -> Reason:
    if standing.ledger is not None and not standing.ledger.has_room_beside:
        return Reason.REPLACING
    return Reason.ROLLING_OUT if standing.rollout.ready else Reason.STARTING


def _describe_rollout(standing: Standing) -> str:
    """Say what is going on: a slow model is not a failed one, and nobody should have to guess."""
    if standing.observed.obstacle:
        return standing.observed.obstacle
    rollout, wanted = standing.rollout, standing.wanted
    old = rollout.replicas - rollout.updated
    if not wanted:
        return f"Stopping {_pods(rollout.replicas)}."
    pods = [pod for pod in standing.observed.pods if pod.revision == standing.revision]
    ready = sum(pod.is_ready for pod in pods)
    if ready >= wanted and old > 0:
        return f"Stopping {_pods(old)} of the previous revision."
    if ready > wanted:
        return f"Stopping {_pods(ready - wanted)} too many."
    deadline_seconds = standing.md.spec.update.progress_deadline_seconds
    stage = describe_progress(pods, standing.revision, deadline_seconds=deadline_seconds)
    told = f"{ready} of {_pods(wanted)} of the target revision ready; the next is {stage}."
    if standing.ledger is not None and not standing.ledger.has_room_beside:
        return f"No node had room for a pod beside the old ones, so they go first. {told}"
    return told


def _serving(ready: int) -> _Verdict:
    return _yes(Reason.SERVING, f"{_pods(ready)} serving.")


def _count_pods(wanted: int) -> str:
    return f"{wanted} of {_pods(wanted)} ready, all of the target revision."


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def _yes(reason: str, message: str) -> _Verdict:
    return _Verdict(ConditionStatus.TRUE, reason, message)


def _no(reason: str, message: str) -> _Verdict:
    return _Verdict(ConditionStatus.FALSE, reason, message)


def _stamp(
    metadata: Metadata, last: Status, verdicts: Mapping[Condition, _Verdict], now: str
) -> tuple[StatusCondition, ...]:
    known = {condition.type: condition for condition in last.conditions}
    return tuple(
        StatusCondition(
            type=kind,
            status=verdict.status,
            observed_generation=metadata.generation,
            last_transition_time=_find_since(known.get(kind), verdict, now),
            reason=verdict.reason,
            message=clean_message(verdict.message, _MESSAGE_LIMIT),
        )
        for kind, verdict in verdicts.items()
    )


def _find_since(known: StatusCondition | None, verdict: _Verdict, now: str) -> str:
    is_same = known is not None and known.status == verdict.status
    return known.last_transition_time if known is not None and is_same else now
