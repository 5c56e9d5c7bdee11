"""From an object's body to its record: pure, and the only place that knows Kubernetes' fields."""

from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from modelyard_api.meta import (
    ANNOTATION_APPLIED_HASH,
    ANNOTATION_FAILED,
    ANNOTATION_GOOD,
    ANNOTATION_LAST_GOOD,
    ANNOTATION_RENDERING,
    ANNOTATION_REPLACES,
    ANNOTATION_TEMPLATE_INPUT,
    KIND,
    LABEL_MODEL,
    LABEL_REVISION,
    MANAGER,
)
from modelyard_operator.desired.names import ADAPTER_PREFIX, FETCH_CONTAINER
from modelyard_operator.records import ChildRecord, Exit, Fact, PodRecord, Rollout

Json = dict[str, Any]

#: Conditions of a pod that are read; others (and their heartbeats) would only make noise.
_POD_FACTS = ("PodScheduled", "PodReadyToStartContainers", "Ready")
_DEPLOYMENT_FACTS = ("Progressing", "ReplicaFailure")
_TEXT_LIMIT = 4096
#: Subresources that others write as their work.
_ALL_DAY = ("status", "scale")


def project_child(kind: str, body: Json) -> ChildRecord:
    """Read a child of any kind."""
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    owner = _find_owner(metadata)
    claims = metadata.get("managedFields") or ()
    touched, is_foreign = _digest_fields(claims)
    return ChildRecord(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        uid=metadata["uid"],
        model=(metadata.get("labels") or {}).get(LABEL_MODEL, metadata["name"]),
        owner_uid=owner.get("uid", ""),
        owner_name=owner.get("name", "") if owner.get("kind") == KIND else "",
        generation=metadata.get("generation", 0),
        applied_hash=annotations.get(ANNOTATION_APPLIED_HASH, ""),
        touched=touched,
        is_foreign=is_foreign,
        template_input=annotations.get(ANNOTATION_TEMPLATE_INPUT, ""),
        rendering=annotations.get(ANNOTATION_RENDERING, ""),
        good=annotations.get(ANNOTATION_GOOD, ""),
        last_good=annotations.get(ANNOTATION_LAST_GOOD, ""),
        failed=annotations.get(ANNOTATION_FAILED, ""),
        replaces=annotations.get(ANNOTATION_REPLACES, ""),
        owns_replicas=any(_is_ours(claim) and _holds_replicas(claim) for claim in claims),
        rollout=_project_rollout(body) if kind == "Deployment" else None,
    )


def project_deployment(body: Json) -> ChildRecord:
    """Read a Deployment."""
    return project_child("Deployment", body)


def project_service(body: Json) -> ChildRecord:
    """Read a Service."""
    return project_child("Service", body)


def project_network_policy(body: Json) -> ChildRecord:
    """Read a NetworkPolicy."""
    return project_child("NetworkPolicy", body)


def project_disruption_budget(body: Json) -> ChildRecord:
    """Read a PodDisruptionBudget."""
    return project_child("PodDisruptionBudget", body)


def project_autoscaler(body: Json) -> ChildRecord:
    """Read a HorizontalPodAutoscaler."""
    return project_child("HorizontalPodAutoscaler", body)


def project_scaled_object(body: Json) -> ChildRecord:
    """Read a ScaledObject."""
    return project_child("ScaledObject", body)


def project_pod(body: Json) -> PodRecord:
    """Read a model pod; its first container is the runtime.

    While the model is being fetched, or when that failed, what is said of the container is said
    of the one that fetches.
    """
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels") or {}
    serving: Json = next(iter(status.get("containerStatuses") or ()), {})
    fetching, downloads = _find_downloads(status.get("initContainerStatuses"))
    container = fetching or serving
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated")
    resources = body["spec"]["containers"][0].get("resources") or {}
    return PodRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        uid=metadata["uid"],
        model=labels.get(LABEL_MODEL, ""),
        revision=labels.get(LABEL_REVISION, ""),
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        message=status.get("message", "")[:_TEXT_LIMIT],
        is_terminating="deletionTimestamp" in metadata,
        ip=status.get("podIP", ""),
        memory_limit=(resources.get("limits") or {}).get("memory", ""),
        created=_parse_required(metadata["creationTimestamp"]),
        facts=_project_facts(status, _POD_FACTS),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", "")[:_TEXT_LIMIT],
        running_since=_parse_time((state.get("running") or {}).get("startedAt")),
        restarts=container.get("restartCount", 0),
        last_exit=_project_exit(ended) if ended else None,
        is_fetching=bool(fetching),
        fetcher=fetching.get("name", FETCH_CONTAINER),
        downloads=downloads,
        gone_by=_parse_time(metadata.get("deletionTimestamp")),
    )


def _find_downloads(statuses: Any) -> tuple[Json, dict[str, Exit]]:
    """Return the first download that has not ended well, and how those before it ended."""
    prefix = f"{FETCH_CONTAINER}-{ADAPTER_PREFIX}"
    over: dict[str, Exit] = {}
    for status in statuses or ():
        name = status.get("name", "")
        if name != FETCH_CONTAINER and not name.startswith(prefix):
            continue
        end = (status.get("state") or {}).get("terminated") or {}
        if end.get("exitCode") != 0:
            return status, over
        over[name] = _project_exit(end)
    return {}, over


def _find_owner(metadata: Json) -> Json:
    owners: list[Json] = metadata.get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), {})


def _digest_fields(entries: Any) -> tuple[str, bool]:
    """Return a digest of who owns what, and whether anyone besides us owns anything.

    Status and scale are left out: controllers write them all day. Times are left out: a write that
    changes nothing may renew them.
    """
    owners = [entry for entry in entries if entry.get("subresource") not in _ALL_DAY]
    foreign = any(not _is_ours(entry) for entry in owners)
    claims = sorted(
        orjson.dumps([entry.get("manager"), entry.get("operation"), entry.get("fieldsV1")])
        for entry in owners
    )
    return blake2b(b"\n".join(claims), digest_size=8).hexdigest(), foreign


def _is_ours(claim: Json) -> bool:
    return (claim.get("manager"), claim.get("operation")) == (MANAGER, "Apply")


def _holds_replicas(claim: Json) -> bool:
    return "f:replicas" in (claim.get("fieldsV1") or {}).get("f:spec", {})


def _project_rollout(body: Json) -> Rollout:
    status = body.get("status") or {}
    return Rollout(
        wanted=body["spec"].get("replicas", 1) if "spec" in body else 0,
        observed_generation=status.get("observedGeneration", 0),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        facts=_project_facts(status, _DEPLOYMENT_FACTS),
    )


def _project_facts(status: Json, types: tuple[str, ...]) -> tuple[Fact, ...]:
    return tuple(
        Fact(
            type=condition["type"],
            status=condition["status"],
            reason=condition.get("reason", ""),
            message=condition.get("message", "")[:_TEXT_LIMIT],
            since=_parse_time(condition.get("lastTransitionTime")),
        )
        for condition in status.get("conditions") or ()
        if condition["type"] in types
    )


def _project_exit(ended: Json) -> Exit:
    return Exit(
        code=ended.get("exitCode", 0),
        reason=ended.get("reason", ""),
        message=ended.get("message", "")[:_TEXT_LIMIT],
        started=_parse_time(ended.get("startedAt")),
        finished=_parse_time(ended.get("finishedAt")),
    )


def _parse_time(text: str | None) -> datetime | None:
    return _parse_required(text) if text else None


def _parse_required(text: str) -> datetime:
    return datetime.fromisoformat(text)
