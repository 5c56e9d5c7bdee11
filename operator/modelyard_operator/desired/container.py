"""The container that serves a model: pure."""

from math import ceil
from typing import Any

from modelyard_api.document import escape_variable
from modelyard_api.meta import (
    CONFIG_VARIABLE,
    INTERNAL_PORT,
    PRE_STOP_SECONDS,
    SERVING_PORT,
)
from modelyard_api.serving import ServingConfig, encode_config
from modelyard_api.v1alpha1 import ModelDeployment, Resources
from modelyard_operator.desired.access import (
    build_access_config,
    build_access_env,
    build_access_mounts,
)
from modelyard_operator.desired.adapters import build_adapter_configs, build_adapter_mounts
from modelyard_operator.desired.model_source import build_model_mount
from modelyard_operator.desired.names import (
    CONTAINER,
    PORT_NAME,
    SCRATCH_VOLUME,
    TLS_PORT_NAME,
)
from modelyard_operator.policy import GpuProfile, PlatformPolicy

Json = dict[str, Any]

_STARTUP_PERIOD_SECONDS = 2


def build_container(
    md: ModelDeployment, policy: PlatformPolicy, profile: GpuProfile | None
) -> Json:
    """Return the runtime's container."""
    access = md.spec.access
    port = TLS_PORT_NAME if access.tls_secret_ref.name else PORT_NAME
    return {
        "name": CONTAINER,
        "image": md.spec.runtime.image or policy.runtime.image,
        "imagePullPolicy": policy.runtime.image_pull_policy,
        "env": [
            {"name": CONFIG_VARIABLE, "value": encode_config(_build_config(md, profile))},
            *build_access_env(access),
            *_build_env(md),
        ],
        "ports": [
            {"name": port, "containerPort": SERVING_PORT, "protocol": "TCP"},
            {"name": "internal", "containerPort": INTERNAL_PORT, "protocol": "TCP"},
        ],
        "resources": _build_resources(md.spec.resources, policy, profile),
        "volumeMounts": [
            build_model_mount(md.spec.model),
            *build_adapter_mounts(md.spec.model),
            {"name": SCRATCH_VOLUME, "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            *build_access_mounts(access),
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The last log lines explain a crash without any right on logs.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        **_build_probes(md.spec.update.progress_deadline_seconds, scheme=port.upper()),
    }


def _build_config(md: ModelDeployment, profile: GpuProfile | None) -> ServingConfig:
    return ServingConfig(
        model_name=md.model_name,
        task=md.spec.model.task,
        format=md.spec.model.format,
        entrypoint=md.spec.model.entrypoint,
        allow_code=md.spec.model.allow_code,
        dtype=md.spec.runtime.dtype,
        optimize=md.spec.optimize,
        drain_seconds=md.spec.update.drain_timeout_seconds,
        verify=md.spec.update.verify,
        device=profile.device if profile is not None else "",
        access=build_access_config(md.spec.access),
        adapters=build_adapter_configs(md.spec.model),
    )


def _build_env(md: ModelDeployment) -> list[Json]:
    return [
        {"name": variable.name, "value": escape_variable(variable.value)}
        for variable in md.spec.runtime.env
    ]


def _build_resources(asked: Resources, policy: PlatformPolicy, profile: GpuProfile | None) -> Json:
    """CPU is requested and not limited: idle cores stay usable, and the runtime follows its cgroup.

    Memory that the spec asks for is also the limit, so that a model which outgrows it is killed
    and explained, rather than the node's other pods.
    """
    defaults = policy.defaults
    requests = {"cpu": asked.cpu or defaults.cpu, "memory": asked.memory or defaults.memory}
    limits = {"memory": asked.memory} if asked.memory else {}
    if profile is not None:
        limits[profile.resource_name] = str(asked.gpu.count)
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def _build_probes(deadline_seconds: int, *, scheme: str) -> Json:
    return {
        # Loading may take the whole deadline. Until it is over, the other probes rest.
        "startupProbe": {
            **_build_probe("/startupz", scheme),
            "periodSeconds": _STARTUP_PERIOD_SECONDS,
            "timeoutSeconds": 5,
            "failureThreshold": ceil(deadline_seconds / _STARTUP_PERIOD_SECONDS),
        },
        "readinessProbe": {
            **_build_probe("/readyz", scheme),
            "periodSeconds": 3,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
        # Lenient: a model that is busy must not be killed for answering late.
        "livenessProbe": {
            **_build_probe("/livez", scheme),
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 12,
        },
    }


def _build_probe(path: str, scheme: str) -> Json:
    return {"httpGet": {"path": path, "port": SERVING_PORT, "scheme": scheme}}
