"""Pods that find no node while old ones are there: whether stopping those would help. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from modelyard_api.v1alpha1 import ModelDeployment, UpdateStrategy
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.failures.scheduling import find_lacking
from modelyard_operator.observed import Observed
from modelyard_operator.records import Fact, PodRecord

_NO_SLOT = "Too many pods"
_QUOTA = "exceeded quota"
_PLACEMENT = (
    *("nodeSelector", "affinity", "tolerations", "topologySpreadConstraints"),
    *("runtimeClassName", "schedulerName", "priorityClassName"),
)
#: From the end of the grace period until the kubelet has taken the pod away.
_DEPARTURE_SECONDS = 30.0
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z]*)")
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** n for n, unit in enumerate(("k", "M", "G", "T", "P"), start=1)},
    **{f"{unit}i": Decimal(1024) ** n for n, unit in enumerate("KMGTP", start=1)},
}


def waits_for_room(
    md: ModelDeployment, ledger: Ledger | None, observed: Observed, now: datetime
) -> bool:
    """Tell whether a pod without a node is on its way: an old one goes, or will go for it."""
    if any(wait > 0 for wait in measure_departures(observed, now)):
        return True
    return find_crowded_since(md, ledger, observed) is not None


def measure_departures(observed: Observed, now: datetime) -> list[float]:
    """Return for how many seconds yet each terminating pod may hold what others wait for.

    A pod whose node is dead terminates for ever; it is not waited for.
    """
    gone_by = (pod.gone_by for pod in observed.pods if pod.gone_by is not None)
    return [(moment - now).total_seconds() + _DEPARTURE_SECONDS for moment in gone_by]


def is_quota(refused: Fact) -> bool:
    """Tell a quota that is used up from other reasons why the API server makes no pod."""
    return _QUOTA in refused.message


def is_helped_by_last_good(ledger: Ledger, pod: PodRecord) -> bool:
    """Tell whether a pod of the last good revision may find a node where this one finds none."""
    is_alike = _goes_where_old_pods_are(ledger)
    return not (is_alike and all(_asks_no_more(ledger, what) for what in find_lacking(pod)))


def find_crowded_since(
    md: ModelDeployment, ledger: Ledger | None, observed: Observed
) -> datetime | None:
    """Return since when a pod waits for what an old one holds, None where none does.

    Old pods are told by the Deployment's counts: a restart (`kubectl rollout restart`) has the
    same revision.
    """
    rollout = observed.rollout
    if ledger is None or md.spec.update.strategy != UpdateStrategy.AUTO:
        return None
    if rollout.replicas <= rollout.updated:
        return None
    since = [pod.created for pod in observed.pods if _is_crowded(pod, ledger)]
    refused = rollout.fact("ReplicaFailure")
    # A quota that counts GPUs leaves no room either.
    if refused is not None and is_quota(refused) and refused.since is not None:
        since.append(refused.since)
    return min(since, default=None)


def _is_crowded(pod: PodRecord, ledger: Ledger) -> bool:
    fact = pod.fact("PodScheduled")
    if fact is None or not pod.is_homeless or pod.revision != ledger.revision:
        return False
    if not _goes_where_old_pods_are(ledger):
        return False
    lacking = find_lacking(pod)
    if not lacking:
        return _NO_SLOT in fact.message
    return all(_asks_no_more(ledger, resource) for resource in lacking)


def _goes_where_old_pods_are(ledger: Ledger) -> bool:
    """Tell whether the same nodes are meant: what an old pod frees elsewhere is of no use."""
    new, old = (template.get("spec", {}) for template in _find_templates(ledger))
    return all(new.get(field) == old.get(field) for field in _PLACEMENT)


def _asks_no_more(ledger: Ledger, resource: str) -> bool:
    """Tell whether an old pod holds as much: else stopping it may end in no pod at all."""
    new, old = (_read_request(template, resource) for template in _find_templates(ledger))
    return new <= old


def _find_templates(ledger: Ledger) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the applied template and that of the old pods; after a restart they are the same."""
    old = ledger.last_good.rendering if ledger.last_good is not None else ledger.rendering
    return ledger.rendering.template, old.template


def _read_request(template: Mapping[str, Any], resource: str) -> Decimal:
    containers = template.get("spec", {}).get("containers") or [{}]
    resources = containers[0].get("resources", {})
    text = resources.get("requests", {}).get(resource) or resources.get("limits", {}).get(resource)
    match = _QUANTITY.fullmatch(str(text or "0"))
    if match is None or match[2] not in _FACTORS:
        return Decimal(0)
    return Decimal(match[1]) * _FACTORS[match[2]]
