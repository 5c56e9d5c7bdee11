"""Where an accepted object stands: pure facts that its conditions, phase and status rest on."""

import re
from dataclasses import dataclass
from datetime import datetime

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Failure, ModelDeployment
from modelyard_operator.crowding import is_quota, waits_for_room
from modelyard_operator.desired.ledger import FailedRevision, Ledger
from modelyard_operator.errors import ChildRefused, Obstructed
from modelyard_operator.failures import find_failure
from modelyard_operator.observed import Observed
from modelyard_operator.records import Fact, Rollout
from modelyard_operator.redaction import clean_message
from modelyard_operator.scaling.handover import find_wanted, is_scaled
from modelyard_operator.startup import describe_progress

#: An Event holds message and hint in its 1024 bytes.
_MESSAGE_LIMIT = 512
_CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Standing:
    """Settled means: every wanted pod is of the applied revision and ready, and none older is left.

    `ledger` is None while it is not known what to serve. `failure` is the one to show, None while
    all is well or on its way.
    """

    md: ModelDeployment
    ledger: Ledger | None
    observed: Observed
    is_settled: bool
    failure: Failure | None

    @property
    def revision(self) -> str:
        """The revision whose pods are wanted; after a rollback not what the spec asks for."""
        return self.ledger.revision if self.ledger is not None else ""

    @property
    def given_up(self) -> FailedRevision | None:
        """The revision that the spec asks for, if it was given up."""
        return self.ledger.failed if self.ledger is not None else None

    @property
    def is_complete(self) -> bool:
        """What the spec asks for is there."""
        return self.is_settled and self.given_up is None

    @property
    def wanted(self) -> int:
        """How many pods there are to be, whoever says so."""
        return _count_wanted(self.md, self.observed)

    @property
    def is_asleep(self) -> bool:
        """No pods are wanted until somebody asks; neither the spec nor a person has stopped it."""
        return not self.wanted and is_scaled(self.md.spec)

    @property
    def rollout(self) -> Rollout:
        """What the Deployment wants and has."""
        return self.observed.rollout


def find_standing(
    md: ModelDeployment,
    ledger: Ledger | None,
    observed: Observed,
    now: str,
    *,
    obstructed: Obstructed | None = None,
    device: str = "",
) -> Standing:
    """Return where an object stands. `device` is what pods of the applied revision report."""
    wrong_device = _explain_device(md, ledger, device, now)
    is_settled = (
        obstructed is None
        and wrong_device is None
        and not observed.obstacle
        and _is_settled(_count_wanted(md, observed), ledger, observed)
    )
    failure = None
    if not is_settled:
        failure = (
            _explain_obstruction(md, ledger, observed, now, obstructed)
            or wrong_device
            or _explain_pods(md, ledger, observed, now)
            or _explain_deadline(md, ledger, observed, now)
        )
    given_up = ledger.failed if ledger is not None else None
    if (
        given_up is not None
        and _count_wanted(md, observed)
        and (failure is None or observed.rollout.ready)
    ):
        # While something serves, the news is why it is not what the spec asks for.
        failure = given_up.failure
    return Standing(md, ledger, observed, is_settled, failure)


def _count_wanted(md: ModelDeployment, observed: Observed) -> int:
    live = observed.deployment
    return find_wanted(md.spec, observed.rollout.wanted if live is not None else None)


def _is_settled(wanted: int, ledger: Ledger | None, observed: Observed) -> bool:
    rollout = observed.rollout
    if {rollout.wanted, rollout.updated, rollout.replicas, rollout.ready} != {wanted}:
        return False
    return _is_up_to_date(observed) or _is_proven(wanted, ledger, observed)


def _is_proven(wanted: int, ledger: Ledger | None, observed: Observed) -> bool:
    """Tell by the pods alone that the counts are not those of another revision.

    Every change of our own notes counts as a new generation of a Deployment, too. Until its
    controller has seen that one, a model that serves would else be said to be updating.
    """
    pods = [pod for pod in observed.pods if not pod.is_terminating]
    is_current = ledger is not None and all(
        pod.is_ready and pod.revision == ledger.revision for pod in pods
    )
    return is_current and len(pods) == wanted > 0


def _is_up_to_date(observed: Observed) -> bool:
    """The Deployment's status is about the Deployment as it is, not as it was before our apply."""
    live = observed.deployment
    return live is not None and observed.rollout.observed_generation >= live.generation


def find_fact(observed: Observed, fact_type: str) -> Fact | None:
    """Return a condition of the Deployment, unless it is about the Deployment as it was before."""
    return observed.rollout.fact(fact_type) if _is_up_to_date(observed) else None


def _explain_obstruction(
    md: ModelDeployment,
    ledger: Ledger | None,
    observed: Observed,
    now: str,
    obstructed: Obstructed | None,
) -> Failure | None:
    """What we were refused, or what the Deployment's controller was when it made pods."""
    if obstructed is None:
        replicas = find_fact(observed, "ReplicaFailure")
        if replicas is None or replicas.status != "True":
            return None
        moment = datetime.fromisoformat(now)
        if is_quota(replicas) and waits_for_room(md, ledger, observed, moment):
            return None  # an old pod goes, or will go for it
        obstructed = ChildRefused(replicas.message)
    return _build_failure(md, obstructed.reason, obstructed.message, obstructed.hint, now)


def _explain_pods(
    md: ModelDeployment, ledger: Ledger | None, observed: Observed, now: str
) -> Failure | None:
    """What pods of the applied revision say; waiting for an old one to go is no failure."""
    revision = ledger.revision if ledger is not None else ""
    failure = find_failure(md, revision, observed.pods, now)
    is_homeless = failure is not None and failure.reason == Reason.UNSCHEDULABLE
    waits = is_homeless and waits_for_room(md, ledger, observed, datetime.fromisoformat(now))
    return None if waits else failure


def _explain_device(
    md: ModelDeployment, ledger: Ledger | None, device: str, now: str
) -> Failure | None:
    """Compare kinds of device only: pods report `cuda:0 NVIDIA H100`, profiles say `cuda`."""
    asked = ledger.rendering.device if ledger is not None else _CPU
    if asked == _CPU or not device or re.split(r"\W", device)[0] == asked:
        return None
    return _build_failure(
        md,
        Reason.DEVICE_MISMATCH,
        f"The pods compute on {device}, but the GPU profile is for {asked}.",
        "Use a runtime image that is made for this device (the chart's runtime.image, or "
        "spec.runtime.image), check the node's driver, or correct the profile's `device`.",
        now,
    )


def _explain_deadline(
    md: ModelDeployment, ledger: Ledger | None, observed: Observed, now: str
) -> Failure | None:
    progress = find_fact(observed, "Progressing")
    if progress is None or progress.reason != "ProgressDeadlineExceeded":
        return None
    stage = describe_progress(observed.pods, ledger.revision if ledger is not None else "")
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
