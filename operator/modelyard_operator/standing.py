"""Where an accepted object stands: pure facts that its conditions, phase and status rest on."""

from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Failure, ModelDeployment
from modelyard_operator.errors import ChildRefused, Obstructed
from modelyard_operator.failures import find_failure
from modelyard_operator.observed import Observed
from modelyard_operator.records import Fact, Rollout
from modelyard_operator.redaction import clean_message
from modelyard_operator.startup import describe_progress

_MESSAGE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """Complete means: every wanted pod is of the target revision and ready, and none older is left.

    `failure` is the one to show, None while all is well or on its way.
    """

    md: ModelDeployment
    revision: str
    observed: Observed
    is_complete: bool
    failure: Failure | None

    @property
    def wanted(self) -> int:
        """How many pods the object wants."""
        return self.md.spec.wanted_replicas

    @property
    def rollout(self) -> Rollout:
        """What the Deployment wants and has."""
        return self.observed.rollout


def find_standing(
    md: ModelDeployment,
    revision: str,
    observed: Observed,
    now: str,
    obstructed: Obstructed | None,
) -> Standing:
    """Return where an object stands."""
    is_complete = (
        obstructed is None
        and not observed.obstacle
        and _is_complete(md.spec.wanted_replicas, observed)
    )
    failure = None
    if not is_complete:
        failure = (
            _explain_obstruction(md, observed, now, obstructed)
            or find_failure(md, revision, observed.pods, now)
            or _explain_deadline(md, revision, observed, now)
        )
    return Standing(md, revision, observed, is_complete, failure)


def _is_complete(wanted: int, observed: Observed) -> bool:
    rollout = observed.rollout
    return _is_up_to_date(observed) and (
        {rollout.wanted, rollout.updated, rollout.replicas, rollout.ready} == {wanted}
    )


def _is_up_to_date(observed: Observed) -> bool:
    """The Deployment's status is about the Deployment as it is, not as it was before our apply."""
    live = observed.deployment
    return live is not None and observed.rollout.observed_generation >= live.generation


def _find_fact(observed: Observed, fact_type: str) -> Fact | None:
    return observed.rollout.fact(fact_type) if _is_up_to_date(observed) else None


def _explain_obstruction(
    md: ModelDeployment, observed: Observed, now: str, obstructed: Obstructed | None
) -> Failure | None:
    """What we were refused, or what the Deployment's controller was when it made pods."""
    if obstructed is None:
        replicas = _find_fact(observed, "ReplicaFailure")
        if replicas is None or replicas.status != "True":
            return None
        obstructed = ChildRefused(replicas.message)
    return _build_failure(md, obstructed.reason, obstructed.message, obstructed.hint, now)


def _explain_deadline(
    md: ModelDeployment, revision: str, observed: Observed, now: str
) -> Failure | None:
    progress = _find_fact(observed, "Progressing")
    if progress is None or progress.reason != "ProgressDeadlineExceeded":
        return None
    stage = describe_progress(observed.pods, revision)
    deadline = md.spec.update.progress_deadline
    return _build_failure(
        md,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"Not ready within spec.update.progressDeadline ({deadline}); still {stage}.",
        "Raise spec.update.progressDeadline, or find out what is slow: kubectl -n "
        f"{md.metadata.namespace} describe pods -l modelyard.dev/model={md.metadata.name}",
        now,
    )


def _build_failure(
    md: ModelDeployment, reason: Reason, message: str, hint: str, now: str
) -> Failure:
    last = md.status.failure
    since = last.at if last is not None and last.reason == reason else now
    return Failure(
        reason=reason, message=clean_message(message, _MESSAGE_LIMIT), hint=hint, at=since
    )
