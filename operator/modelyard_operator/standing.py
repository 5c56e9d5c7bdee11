"""Where an accepted object stands: pure facts that its conditions, phase and status rest on."""

from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Failure, ModelDeployment
from modelyard_operator.errors import ChildRefused
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
        return self.md.spec.scaling.replicas

    @property
    def rollout(self) -> Rollout:
        """What the Deployment wants and has."""
        return self.observed.rollout


def find_standing(
    md: ModelDeployment,
    revision: str,
    observed: Observed,
    now: str,
    refused: ChildRefused | None,
) -> Standing:
    """Return where an object stands."""
    is_complete = refused is None and _is_complete(md.spec.scaling.replicas, observed)
    failure = None
    if not is_complete:
        failure = (
            _explain_refusal(md, observed, now, refused)
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


def _explain_refusal(
    md: ModelDeployment, observed: Observed, now: str, refused: ChildRefused | None
) -> Failure | None:
    """A refused Deployment, or one that may not create its pods (quota, admission)."""
    replicas = _find_fact(observed, "ReplicaFailure")
    if refused is not None:
        message = refused.message
    elif replicas is not None and replicas.status == "True":
        message = replicas.message
    else:
        return None
    hint = (
        "The API server refuses what this model needs. Change the object as the message says, "
        "or ask whoever set the namespace's quota or admission policy."
    )
    return _build_failure(md, Reason.APPLY_REFUSED, message, hint, now)


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
