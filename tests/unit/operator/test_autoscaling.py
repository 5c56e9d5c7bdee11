"""The objects that have a model scaled by others: whole manifests."""

import pytest

from modelyard_operator.desired import build_children
from modelyard_operator.desired.autoscaling import build_query
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.ledger import begin
from modelyard_operator.desired.rendering import render
from modelyard_operator.records import Key
from tests.support.objects import build_policy, parse

KEY = Key("team", "qwen")
BUDGET = "PodDisruptionBudget"
POLICY = build_policy("runtime: {image: x}\nprometheus: {address: 'http://prometheus:9090'}")
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "qwen"}
EVERYTHING = {"type": "Pods", "value": 9, "periodSeconds": 15}
BEHAVIOR = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [EVERYTHING]},
    "scaleDown": {"stabilizationWindowSeconds": 300, "policies": [EVERYTHING]},
}
QUERY = (
    'sum(modelyard_requests_running{namespace="team",model="qwen"}) + '
    'sum(modelyard_requests_waiting{namespace="team",model="qwen"})'
)


def build(mode, *, is_awake=False, suspend=False, **scaling):
    """All children by kind."""
    md = parse(scaling={"mode": mode, "min": 2, "max": 9, **scaling}, suspend=suspend)
    ledger = begin(md, render(md, POLICY, Commits()))
    children = build_children(md, ledger, POLICY, is_awake=is_awake)
    return {child.kind: child.body for child in children}


def share(name, percent):
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


@pytest.mark.parametrize(
    ("target", "metrics"),
    [
        ({"cpu": 80}, [share("cpu", 80)]),
        ({"cpu": 80, "memory": 70}, [share("cpu", 80), share("memory", 70)]),
        (
            {"inFlight": 4},
            [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "modelyard_requests_in_flight"},
                        "target": {"type": "AverageValue", "averageValue": "4"},
                    },
                }
            ],
        ),
    ],
    ids=["cpu", "both", "requests"],
)
def test_an_autoscaler(target, metrics):
    children = build("hpa", target=target)
    assert list(children) == [
        "Deployment",
        "Service",
        "NetworkPolicy",
        BUDGET,
        "HorizontalPodAutoscaler",
    ]
    body = children["HorizontalPodAutoscaler"]
    assert body["apiVersion"] == "autoscaling/v2"
    assert body["spec"] == {
        "scaleTargetRef": TARGET,
        "minReplicas": 2,
        "maxReplicas": 9,
        "metrics": metrics,
        "behavior": BEHAVIOR,
    }


SPEC = {
    "scaleTargetRef": TARGET,
    "pollingInterval": 15,
    "minReplicaCount": 2,
    "maxReplicaCount": 9,
    "advanced": {
        "restoreToOriginalReplicaCount": False,
        "horizontalPodAutoscalerConfig": {"behavior": BEHAVIOR},
    },
    "triggers": [
        {
            "type": "prometheus",
            "metricType": "AverageValue",
            "metadata": {
                "serverAddress": "http://prometheus:9090",
                "query": QUERY,
                "threshold": "8",
                "ignoreNullValues": "false",
            },
        }
    ],
}


def test_a_scaled_object():
    children = build("keda")
    assert list(children) == ["Deployment", "Service", "NetworkPolicy", BUDGET, "ScaledObject"]
    assert children["ScaledObject"]["apiVersion"] == "keda.sh/v1alpha1"
    assert children["ScaledObject"]["spec"] == SPEC


@pytest.mark.parametrize("is_awake", [False, True])
def test_a_scaled_object_that_may_sleep(is_awake):
    spec = build("keda", idleAfter="10m", is_awake=is_awake)["ScaledObject"]["spec"]
    assert (spec["cooldownPeriod"], spec["initialCooldownPeriod"]) == (600, 600)
    assert ("idleReplicaCount" in spec) == (not is_awake)
    assert spec["minReplicaCount"] == 2
    assert spec["triggers"][0]["metadata"]["query"] == f"{QUERY} or vector(0)"


def test_a_delay_is_no_longer_than_an_autoscaler_takes():
    behavior = build("hpa", scaleDownDelay="24h")["HorizontalPodAutoscaler"]["spec"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 3600


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
def test_they_are_the_models_own(kind):
    mode = {"ScaledObject": "keda"}.get(kind, "hpa")
    children = build(mode)
    metadata, other = children[kind]["metadata"], children["Service"]["metadata"]
    for field in ("name", "namespace", "labels", "ownerReferences"):
        assert metadata[field] == other[field]
    assert len(metadata["annotations"]["modelyard.dev/applied-hash"]) == 20


@pytest.mark.parametrize("mode", ["hpa", "keda"])
def test_a_suspended_model_is_scaled_by_nothing(mode):
    children = build(mode, suspend=True)
    assert list(children) == ["Deployment", "Service", "NetworkPolicy"]
    assert children["Deployment"]["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("mode", "has_replicas"),
    [("none", True), ("auto", False), ("builtin", False), ("hpa", False), ("keda", False)],
)
def test_replicas_are_left_out_where_something_scales(mode, has_replicas):
    assert ("replicas" in build(mode)["Deployment"]["spec"]) == has_replicas


def test_the_query_names_one_model_only():
    metadata = parse(name="other", namespace="another").metadata
    assert build_query(metadata, may_sleep=False).count('namespace="another",model="other"') == 2
