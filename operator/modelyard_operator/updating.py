"""What becomes of a revision: good, given up, or started in the place of old pods. Pure.

A revision that was good once is never given up: whatever happens to its pods then is not the
update's fault, and an older revision would not be better off.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from modelyard_api.durations import format_time
from modelyard_api.meta import ANNOTATION_RETRY, Reason
from modelyard_api.v1alpha1 import Failure, ModelDeployment, OnFailure
from modelyard_operator.crowding import (
    find_crowded_since,
    is_helped_by_last_good,
    measure_departures,
)
from modelyard_operator.desired.ledger import FailedRevision, Ledger
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import PodRecord
from modelyard_operator.standing import Standing, find_fact

#: Another start of the same pod would end the same way.
_FINAL = frozenset(
    {
        Reason.VERIFICATION_FAILED,
        Reason.OPTIMIZATION_FAILED,
        Reason.DEVICE_MISMATCH,
        Reason.CONFIG_INVALID,
        Reason.MODEL_UNSAFE,
        Reason.MODEL_UNSUPPORTED,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
    }
)
#: A container that has ended so often will end again: the third try comes after half a minute.
_ENOUGH_RESTARTS = 2
#: How long a revision may fail while nothing serves, in the case that trying again helps.
_OUTAGE_SECONDS = 30
_REFUSED_SECONDS = 180
_SURGE_SECONDS = 60
#: A new node takes some minutes to come.
_SURGE_SECONDS_WITH_NEW_NODES = 600


def find_surge_seconds(md: ModelDeployment, policy: PlatformPolicy) -> int:
    """Return how long a pod beside the old ones may wait for a node."""
    usual = _SURGE_SECONDS_WITH_NEW_NODES if policy.nodes.autoscaled else _SURGE_SECONDS
    asked = md.spec.update.surge_timeout_seconds
    return usual if asked is None else asked


def advance(
    md: ModelDeployment, ledger: Ledger, standing: Standing, *, surge_seconds: int, now: datetime
) -> Ledger:
    """Return the ledger as it is to be applied, by how the applied revision stands."""
    if standing.is_settled and standing.wanted and not _is_rolled_back(ledger):
        return replace(ledger, good=ledger.revision, last_good=None, failed=None, replaces="")
    if ledger.failed is not None and ledger.failed.is_paused and not standing.wanted:
        # Woken up, a paused Deployment would start none but the failed revision.
        return _put_back(ledger, ledger.failed)
    if standing.is_settled:
        return replace(ledger, replaces="")
    ruin = _find_ruin(ledger, standing, surge_seconds, now)
    if ruin is not None:
        return _give_up(md, ledger, ruin, now)
    waited = _measure_crowding(md, ledger, standing, now)
    if waited is not None and waited >= surge_seconds:
        return replace(ledger, replaces=ledger.revision)
    return ledger


def find_next_look(
    md: ModelDeployment, ledger: Ledger, standing: Standing, *, surge_seconds: int, now: datetime
) -> float | None:
    """Return after how many seconds `advance` may say something else though nothing changes."""
    waits: list[float] = []
    crowding = _measure_crowding(md, ledger, standing, now)
    if crowding is not None:
        waits.append(surge_seconds - crowding)
    if _is_hopeless_outage(ledger, standing) and standing.failure is not None:
        waits.append(_measure_patience(standing.failure, surge_seconds, now))
    if any(pod.is_homeless for pod in standing.observed.pods):
        waits += measure_departures(standing.observed, now)
    return min((max(wait, 1.0) for wait in waits if wait > 0), default=None)


def _is_rolled_back(ledger: Ledger) -> bool:
    return ledger.failed is not None and not ledger.failed.is_paused


def _may_be_given_up(ledger: Ledger) -> bool:
    return not ledger.is_good and ledger.failed is None and ledger.last_good is not None


def _find_ruin(
    ledger: Ledger, standing: Standing, surge_seconds: int, now: datetime
) -> Failure | None:
    """Return why the applied revision is to be given up."""
    failure = standing.failure
    if failure is None or not _may_be_given_up(ledger):
        return None
    if failure.reason in _FINAL or _has_missed_deadline(standing):
        return failure
    if failure.reason == Reason.RATE_LIMITED:
        return None  # the hub has asked for patience, and would of the last good revision too
    if failure.pod and _is_crash_loop(standing.observed.pods, failure.pod):
        return failure
    is_lasting = _measure_patience(failure, surge_seconds, now) <= 0
    return failure if _is_hopeless_outage(ledger, standing) and is_lasting else None


def _has_missed_deadline(standing: Standing) -> bool:
    progress = find_fact(standing.observed, "Progressing")
    return progress is not None and progress.reason == "ProgressDeadlineExceeded"


def _is_crash_loop(pods: Iterable[PodRecord], name: str) -> bool:
    return any(
        pod.name == name
        and pod.waiting_reason == "CrashLoopBackOff"
        and pod.restarts >= _ENOUGH_RESTARTS
        for pod in pods
    )


def _is_hopeless_outage(ledger: Ledger, standing: Standing) -> bool:
    """Tell whether nothing serves, nothing else is tried, and the last good one may do better."""
    failure = standing.failure
    if failure is None or failure.reason == Reason.RATE_LIMITED or not _may_be_given_up(ledger):
        return False
    if not standing.wanted or standing.rollout.ready:
        return False
    pod = next((pod for pod in standing.observed.pods if pod.name == failure.pod), None)
    if pod is None:
        return True
    if failure.reason == Reason.UNSCHEDULABLE:
        return is_helped_by_last_good(ledger, pod)
    return pod.running_since is None


def _measure_patience(failure: Failure, surge_seconds: int, now: datetime) -> float:
    """Return for how many seconds more a failure is borne while nothing serves.

    A pod without a node, or beyond a quota, only counts as a failure once no old pod is left that
    holds what it needs. Then the scheduler looks at it again within ten seconds; a ReplicaSet that
    was refused for a minute, within two.
    """
    patience: dict[str, int] = {
        Reason.UNSCHEDULABLE: max(surge_seconds, _OUTAGE_SECONDS),
        Reason.APPLY_REFUSED: max(surge_seconds, _REFUSED_SECONDS),
    }
    return patience.get(failure.reason, _OUTAGE_SECONDS) - _find_age(failure.at, now)


def _find_age(at: str, now: datetime) -> float:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return 0.0  # none, or one that somebody else has written
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (now - aware).total_seconds()


def _measure_crowding(
    md: ModelDeployment, ledger: Ledger, standing: Standing, now: datetime
) -> float | None:
    """Return how long a pod has waited for what an old one holds, None where none does."""
    since = find_crowded_since(md, ledger, standing.observed)
    if since is None or not ledger.has_room_beside:
        return None
    return (now - since).total_seconds()


def _give_up(md: ModelDeployment, ledger: Ledger, ruin: Failure, now: datetime) -> Ledger:
    """Put the last good revision back, or stop where we are."""
    is_paused = md.spec.update.on_failure == OnFailure.PAUSE
    failed = FailedRevision(
        revision=ledger.revision,
        input=ledger.input,
        failure=ruin,
        at=format_time(now),
        retry=md.metadata.annotations.get(ANNOTATION_RETRY, ""),
        is_paused=is_paused,
        model_revision=ledger.rendering.commit,
        image=ledger.rendering.image,
    )
    return replace(ledger, failed=failed) if is_paused else _put_back(ledger, failed)


def _put_back(ledger: Ledger, failed: FailedRevision) -> Ledger:
    failed = failed.model_copy(update={"is_paused": False})
    good = ledger.last_good
    if good is None:
        return replace(ledger, failed=failed)
    revision = good.rendering.revision
    # Where the failed pods hold what the good ones need, they go first.
    replaces = "" if ledger.has_room_beside else revision
    return Ledger(good.input, good.rendering, good=revision, failed=failed, replaces=replaces)
