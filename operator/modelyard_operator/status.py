"""The status of a ModelDeployment: pure, and whole on every pass."""

from collections import Counter
from typing import Any

from modelyard_api.meta import Phase
from modelyard_api.v1alpha1 import (
    Device,
    Metadata,
    ModelDeployment,
    ModelFacts,
    Revision,
    Status,
)
from modelyard_operator.conditions import build_conditions, build_refused_conditions
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.desired.names import build_selector, build_url
from modelyard_operator.desired.rendering import Rendering
from modelyard_operator.errors import Obstructed, Refused
from modelyard_operator.facts import Facts, gather_facts
from modelyard_operator.history import record_history
from modelyard_operator.observed import Observed
from modelyard_operator.records import PodRecord
from modelyard_operator.standing import Standing, find_standing


def summarise(
    md: ModelDeployment,
    ledger: Ledger | None,
    observed: Observed,
    now: str,
    *,
    obstructed: Obstructed | None = None,
) -> Status:
    """Return the status of an accepted object. `now` is an RFC 3339 time.

    `ledger` says what is to be served, None while that is not known. `obstructed` says what stands
    in its way, so that the Deployment seen is not the one wanted.
    """
    standing, facts = assess(md, ledger, observed, now, obstructed=obstructed)
    return build_status(standing, facts, now)


def build_status(standing: Standing, facts: Facts, now: str) -> Status:
    """Return the status of an object that stands so."""
    md, ledger, observed = standing.md, standing.ledger, standing.observed
    target = ledger.rendering if ledger is not None else None
    return Status(
        observed_generation=md.metadata.generation,
        phase=_find_phase(standing),
        conditions=build_conditions(standing, now),
        url=build_url(md.metadata.namespace, md.metadata.name, is_tls=_speaks_tls(standing)),
        model_name=md.model_name,
        task=facts.task,
        replicas=standing.rollout.replicas,
        ready_replicas=standing.rollout.ready,
        updated_replicas=standing.rollout.updated,
        selector=build_selector(md.metadata.name),
        revision=_build_revision(md.status, ledger, observed),
        history=md.status.history if ledger is None else record_history(md.status, ledger, now),
        model=_describe_model(facts, target),
        startup=facts.startup,
        device=Device(
            requested=target.device if target is not None else "",
            actual=facts.actual,
            dtype=facts.dtype,
        ),
        demand=md.status.demand,
        failure=standing.failure,
    )


def _describe_model(facts: Facts, target: Rendering | None) -> ModelFacts:
    """Where nobody was asked beforehand, a bucket's revision is what the download found."""
    if target is None:
        return facts.model.model_copy(update={"resolved_revision": ""})
    revision = target.commit or facts.model.resolved_revision
    return facts.model.model_copy(update={"resolved_revision": revision})


def _speaks_tls(standing: Standing) -> bool:
    """After a rollback it is as the last good revision has it, whatever the spec says."""
    if standing.ledger is None:
        return bool(standing.md.spec.access.tls_secret_ref.name)
    return standing.ledger.rendering.is_tls


def assess(
    md: ModelDeployment,
    ledger: Ledger | None,
    observed: Observed,
    now: str,
    *,
    obstructed: Obstructed | None = None,
) -> tuple[Standing, Facts]:
    """Return where an object stands, and what is known of the revision that serves."""
    revision = ledger.revision if ledger is not None else ""
    current = _find_current(revision, observed.pods)
    facts = gather_facts(md, revision, current, observed)
    device = facts.actual if current == revision else ""
    standing = find_standing(md, ledger, observed, now, obstructed=obstructed, device=device)
    return standing, facts


def _build_revision(last: Status, ledger: Ledger | None, observed: Observed) -> Revision:
    if ledger is None:
        # What is wanted is not known yet; what was good and what failed has not changed.
        current = _find_current(last.revision.target, observed.pods)
        return last.revision.model_copy(update={"current": current})
    return Revision(
        current=_find_current(ledger.revision, observed.pods),
        target=ledger.wanted_revision,
        last_good=ledger.last_good_revision,
        failed=ledger.failed.revision if ledger.failed is not None else "",
    )


def summarise_refused(
    metadata: Metadata, last: Status, refused: Refused, observed: Observed, now: str
) -> Status:
    """Return the status of an object that is not acted upon; what serves already still shows."""
    rollout = observed.rollout
    return last.model_copy(
        update={
            "observed_generation": metadata.generation,
            "phase": Phase.INVALID,
            "conditions": build_refused_conditions(metadata, last, refused, rollout, now),
            "replicas": rollout.replicas,
            "ready_replicas": rollout.ready,
            "updated_replicas": rollout.updated,
            "selector": build_selector(metadata.name),
            "failure": None,
        }
    )


def dump_status(status: Status) -> dict[str, Any]:
    """Return the status as it is written: without what is unknown, but with counts of zero.

    Demand is not ours to write.
    """
    written = status.dump()
    written.pop("demand", None)
    return {
        **written,
        "replicas": status.replicas,
        "readyReplicas": status.ready_replicas,
        "updatedReplicas": status.updated_replicas,
    }


def is_urgent(last: Status, status: Status) -> bool:
    """Tell a change that somebody may wait for from one of wording or counting.

    The others are written too, but not many times a second: while a hundred pods start, a status
    write for each step of each would cost more than all the rest.
    """
    return _essence(last) != _essence(status)


def _essence(status: Status) -> tuple[object, ...]:
    verdicts = tuple((known.type, known.status, known.reason) for known in status.conditions)
    return (
        status.observed_generation,
        status.phase,
        verdicts,
        status.failure.reason if status.failure is not None else "",
        status.revision.target,
        # A pod's report mostly comes just before its Deployment counts the pod: one write for both.
        status.device if status.phase == Phase.READY else None,
    )


def _find_phase(standing: Standing) -> Phase:
    failed = standing.given_up
    if failed is not None and not failed.is_paused and standing.rollout.ready:
        return Phase.ROLLED_BACK
    if standing.failure is not None:
        return Phase.FAILED
    if standing.is_asleep:
        return Phase.SLEEPING
    if not standing.wanted:
        return Phase.SUSPENDED if standing.md.spec.suspend else Phase.SCALED_TO_ZERO
    if standing.is_complete:
        return Phase.READY
    return Phase.UPDATING if standing.rollout.ready else Phase.STARTING


def _find_current(revision: str, pods: tuple[PodRecord, ...]) -> str:
    """Return the revision that serves: an older one as long as a pod of it is ready."""
    serving = Counter(pod.revision for pod in pods if pod.is_ready)
    old = sorted((-count, name) for name, count in serving.items() if name != revision)
    if old:
        return old[0][1]
    return revision if revision in serving else ""
