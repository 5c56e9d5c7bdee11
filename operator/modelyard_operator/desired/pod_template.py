"""The pod of a model: pure. Everything that a revision is made of stands in here."""

from typing import Any

from modelyard_api.meta import (
    ANNOTATION_RETRY,
    LABEL_REVISION,
    PRE_STOP_SECONDS,
    STOP_MARGIN_SECONDS,
)
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.access import build_access_volumes
from modelyard_operator.desired.adapters import build_adapter_fetches, build_adapter_volumes
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.container import build_container
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.model_source import build_init_containers, build_volumes
from modelyard_operator.desired.names import build_labels
from modelyard_operator.desired.placement import build_placement
from modelyard_operator.policy import GpuProfile, PlatformPolicy

Json = dict[str, Any]

_USER = 65532


def build_pod_template(
    md: ModelDeployment, policy: PlatformPolicy, profile: GpuProfile | None, commits: Commits
) -> Json:
    """Return the pod template; a label carries its revision, the hash of everything else in it."""
    asked = md.spec.pod_template
    # Ours come last: no user sets a label that selectors or watches rest on.
    metadata: Json = {"labels": {**asked.labels, **build_labels(md.metadata.name)}}
    annotations = {**asked.annotations, **_note_retry(md)}
    if annotations:
        metadata["annotations"] = annotations
    spec = _build_pod_spec(md, policy, profile, commits)
    revision = digest({"metadata": metadata, "spec": spec})
    metadata["labels"] = {**metadata["labels"], LABEL_REVISION: revision}
    return {"metadata": metadata, "spec": spec}


def _note_retry(md: ModelDeployment) -> dict[str, str]:
    """Make another try another revision: new pods, and a new deadline for them."""
    retry = md.metadata.annotations.get(ANNOTATION_RETRY, "")
    return {ANNOTATION_RETRY: retry} if retry else {}


def _build_pod_spec(
    md: ModelDeployment, policy: PlatformPolicy, profile: GpuProfile | None, commits: Commits
) -> Json:
    drain_seconds = md.spec.update.drain_timeout_seconds
    container, model = build_container(md, policy, profile), md.spec.model
    fetches = [
        *build_init_containers(model, policy, container, commits.model),
        *build_adapter_fetches(model, policy, container, commits.adapters),
    ]
    return {
        # The runtime talks to no API server, and needs no list of all Services either.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": PRE_STOP_SECONDS + drain_seconds + STOP_MARGIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"initContainers": fetches} if fetches else {}),
        "containers": [container],
        "volumes": [
            *build_volumes(model),
            *build_adapter_volumes(model),
            *build_access_volumes(md.spec.access),
        ],
        **build_placement(md, profile),
        **_build_names(md),
    }


def _build_names(md: ModelDeployment) -> Json:
    asked = md.spec.pod_template
    names: Json = {
        "priorityClassName": asked.priority_class_name,
        "runtimeClassName": asked.runtime_class_name,
        "schedulerName": asked.scheduler_name,
        "serviceAccountName": asked.service_account_name,
        "imagePullSecrets": [secret.dump() for secret in asked.image_pull_secrets],
    }
    return {field: value for field, value in names.items() if value}
