"""The HorizontalPodAutoscaler or ScaledObject of a model that asks for one: pure."""

from collections.abc import Mapping
from typing import Any, Final

from modelyard_api.meta import Metric
from modelyard_api.v1alpha1 import Metadata, ModelDeployment, Scaling, ScalingMode
from modelyard_operator.desired.names import build_metadata
from modelyard_operator.policy import PlatformPolicy

Json = dict[str, Any]

#: What a metrics API must offer for pods where an autoscaler looks at requests: the sum of the two
#: gauges of a model pod. docs/scaling.md has the rule that makes it.
IN_FLIGHT_METRIC: Final = "modelyard_requests_in_flight"
#: The most that an autoscaler takes.
_MAX_DELAY_SECONDS: Final = 3600
_POLICY_SECONDS: Final = 15
_POLLING_SECONDS: Final = 15

#: The kind of object that each mode needs.
SCALER_KINDS: Final[Mapping[ScalingMode, str]] = {
    ScalingMode.HPA: "HorizontalPodAutoscaler",
    ScalingMode.KEDA: "ScaledObject",
}


def find_scaler_kind(md: ModelDeployment) -> str | None:
    """Return the kind of object that scales this model; a suspended one is not scaled."""
    return None if md.spec.suspend else SCALER_KINDS.get(md.spec.scaling.effective_mode)


def build_autoscaler(md: ModelDeployment) -> Json:
    """Return the HorizontalPodAutoscaler of a model."""
    scaling = md.spec.scaling
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": build_metadata(md.metadata, {}),
        "spec": {
            "scaleTargetRef": _refer(md.metadata),
            "minReplicas": scaling.min,
            "maxReplicas": scaling.max,
            "metrics": _build_metrics(scaling),
            "behavior": _build_behavior(scaling),
        },
    }


def build_scaled_object(md: ModelDeployment, policy: PlatformPolicy, *, is_awake: bool) -> Json:
    """Return KEDA's ScaledObject of a model.

    While it is awake, that is, while gateways hold or have lately held requests for it, it may not
    sleep: what it is needed for is not in any metric before its first pod serves.
    """
    scaling = md.spec.scaling
    idle_seconds = scaling.idle_after_seconds
    idle: Json = {}
    if idle_seconds is not None:
        idle = {"cooldownPeriod": idle_seconds, "initialCooldownPeriod": idle_seconds}
        if not is_awake:
            idle["idleReplicaCount"] = 0
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": build_metadata(md.metadata, {}),
        "spec": {
            "scaleTargetRef": _refer(md.metadata),
            "pollingInterval": _POLLING_SECONDS,
            "minReplicaCount": scaling.min,
            "maxReplicaCount": scaling.max,
            **idle,
            "advanced": {
                # When it goes, the pods stay as they are.
                "restoreToOriginalReplicaCount": False,
                "horizontalPodAutoscalerConfig": {"behavior": _build_behavior(scaling)},
            },
            "triggers": [_build_trigger(md, policy)],
        },
    }


def build_query(metadata: Metadata, *, may_sleep: bool) -> str:
    """Return what Prometheus is asked for: the requests in flight in all pods of a model.

    A model without pods has no series: zero where it may sleep, else unknown.
    """
    labels = f'{{namespace="{metadata.namespace}",model="{metadata.name}"}}'
    gauges = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING)
    total = " + ".join(f"sum({gauge}{labels})" for gauge in gauges)
    return f"{total} or vector(0)" if may_sleep else total


def _refer(metadata: Metadata) -> Json:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata.name}


def _build_metrics(scaling: Scaling) -> list[Json]:
    shares = {"cpu": scaling.target.cpu, "memory": scaling.target.memory}
    found: list[Json] = [
        {
            "type": "Resource",
            "resource": {
                "name": name,
                "target": {"type": "Utilization", "averageUtilization": share},
            },
        }
        for name, share in shares.items()
        if share
    ]
    if found:
        return found
    target = {"type": "AverageValue", "averageValue": str(scaling.target.in_flight)}
    pods = {"metric": {"name": IN_FLIGHT_METRIC}, "target": target}
    return [{"type": "Pods", "pods": pods}]


def _build_behavior(scaling: Scaling) -> Json:
    delay = min(scaling.scale_down_delay_seconds, _MAX_DELAY_SECONDS)
    everything = {"type": "Pods", "value": scaling.max, "periodSeconds": _POLICY_SECONDS}
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [everything]},
        "scaleDown": {"stabilizationWindowSeconds": delay, "policies": [everything]},
    }


def _build_trigger(md: ModelDeployment, policy: PlatformPolicy) -> Json:
    scaling = md.spec.scaling
    may_sleep = scaling.idle_after_seconds is not None
    return {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": policy.prometheus.address,
            "query": build_query(md.metadata, may_sleep=may_sleep),
            "threshold": str(scaling.target.in_flight),
            "ignoreNullValues": "false",
        },
    }
