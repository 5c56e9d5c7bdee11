"""The pod of a model: pure. Everything that a revision is made of stands in here."""

from math import ceil
from typing import Any

from modelyard_api.meta import (
    CONFIG_VARIABLE,
    INTERNAL_PORT,
    LABEL_REVISION,
    MODEL_PATH,
    PRE_STOP_SECONDS,
    SERVING_PORT,
    STOP_MARGIN_SECONDS,
)
from modelyard_api.serving import ServingConfig, encode_config
from modelyard_api.v1alpha1 import ModelDeployment, Resources
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.names import (
    CONTAINER,
    MODEL_VOLUME,
    SCRATCH_VOLUME,
    build_labels,
)
from modelyard_operator.desired.platform import Platform

Json = dict[str, Any]

_USER = 65532
_SCRATCH_SIZE = "1Gi"
_STARTUP_PERIOD_SECONDS = 2


def build_pod_template(md: ModelDeployment, platform: Platform) -> tuple[str, Json]:
    """Return the revision and the pod template that carries it as a label.

    The revision is the hash of everything else in the template.
    """
    labels = build_labels(md.metadata.name)
    spec = _build_pod_spec(md, platform)
    revision = digest({"labels": labels, "spec": spec})
    return revision, {"metadata": {"labels": {**labels, LABEL_REVISION: revision}}, "spec": spec}


def _build_pod_spec(md: ModelDeployment, platform: Platform) -> Json:
    drain_seconds = md.spec.update.drain_timeout_seconds
    pod: Json = {
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
        "containers": [_build_container(md, platform)],
        "volumes": [
            {"name": MODEL_VOLUME, "image": _build_image_volume(md.spec.model.uri)},
            {"name": SCRATCH_VOLUME, "emptyDir": {"sizeLimit": _SCRATCH_SIZE}},
        ],
    }
    if md.spec.resources.gpu.count:
        # GPU nodes are commonly tainted with the name of their resource.
        pod["tolerations"] = [{"key": platform.gpu_resource, "operator": "Exists"}]
    return pod


def _build_container(md: ModelDeployment, platform: Platform) -> Json:
    return {
        "name": CONTAINER,
        "image": platform.image,
        "imagePullPolicy": platform.image_pull_policy,
        "env": [{"name": CONFIG_VARIABLE, "value": encode_config(_build_config(md))}],
        "ports": [
            {"name": "http", "containerPort": SERVING_PORT, "protocol": "TCP"},
            {"name": "internal", "containerPort": INTERNAL_PORT, "protocol": "TCP"},
        ],
        "resources": _build_resources(md.spec.resources, platform),
        "volumeMounts": [
            {"name": MODEL_VOLUME, "mountPath": MODEL_PATH, "readOnly": True},
            {"name": SCRATCH_VOLUME, "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The last log lines explain a crash without any right on logs.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        **_build_probes(md.spec.update.progress_deadline_seconds),
    }


def _build_config(md: ModelDeployment) -> ServingConfig:
    return ServingConfig(
        model_name=md.model_name,
        task=md.spec.model.task,
        format=md.spec.model.format,
        dtype=md.spec.runtime.dtype,
        drain_seconds=md.spec.update.drain_timeout_seconds,
    )


def _build_resources(asked: Resources, platform: Platform) -> Json:
    """CPU is requested and not limited: idle cores stay usable, and the runtime follows its cgroup.

    Memory that the spec asks for is also the limit, so that a model which outgrows it is killed
    and explained, rather than the node's other pods.
    """
    requests = {"cpu": asked.cpu or platform.cpu, "memory": asked.memory or platform.memory}
    limits = {"memory": asked.memory} if asked.memory else {}
    if asked.gpu.count:
        limits[platform.gpu_resource] = str(asked.gpu.count)
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def _build_probes(deadline_seconds: int) -> Json:
    return {
        # Loading may take the whole deadline. Until it is over, the other probes rest.
        "startupProbe": {
            **_build_probe("/startupz"),
            "periodSeconds": _STARTUP_PERIOD_SECONDS,
            "timeoutSeconds": 5,
            "failureThreshold": ceil(deadline_seconds / _STARTUP_PERIOD_SECONDS),
        },
        "readinessProbe": {
            **_build_probe("/readyz"),
            "periodSeconds": 3,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
        # Lenient: a model that is busy must not be killed for answering late.
        "livenessProbe": {
            **_build_probe("/livez"),
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 12,
        },
    }


def _build_probe(path: str) -> Json:
    return {"httpGet": {"path": path, "port": SERVING_PORT, "scheme": "HTTP"}}


def _build_image_volume(uri: str) -> Json:
    return {"reference": read_image_reference(uri), "pullPolicy": "IfNotPresent"}


def read_image_reference(uri: str) -> str:
    """Return what the kubelet pulls for an oci:// URI."""
    return uri.removeprefix("oci://")
