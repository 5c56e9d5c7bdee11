"""GPU profiles and pod templates: where the real scheduler puts the pods of a mixed fleet."""

import json

import pytest

from modelyard_operator.desired import build_children
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.ledger import begin
from modelyard_operator.desired.rendering import render
from modelyard_operator.parsing import parse_model
from modelyard_operator.policy import parse_policy
from tests.support.kubectl import MDL, build_kwok_node
from tests.support.operator_process import POLICY

NVIDIA, AMD, MODEL = "nvidia.com/gpu", "amd.com/gpu", "gpu.example.com/model"


def build_gpu_node(name, model, resource, count, *taints):
    """A GPU node, tainted as operators of fleets do."""
    node = build_kwok_node(name, **{resource: str(count)})
    node["metadata"]["labels"][MODEL] = model
    node["spec"] = {
        "taints": [
            {"key": key, "value": value, "effect": "NoSchedule"}
            for key, value in ((resource, "present"), *taints)
        ]
    }
    return node


@pytest.fixture(scope="module")
def fleet(control_plane):
    """Small and large GPUs of one maker, one of another; the plain node is the suite's."""
    nodes = [
        build_gpu_node("l4-a", "l4", NVIDIA, 4),
        build_gpu_node("l4-b", "l4", NVIDIA, 4),
        build_gpu_node("h100-a", "h100", NVIDIA, 8, ("dedicated", "large")),
        build_gpu_node("mi300x-a", "mi300x", AMD, 8),
    ]
    names = [f"node/{node['metadata']['name']}" for node in nodes]
    items = {"apiVersion": "v1", "kind": "List", "items": nodes}
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(items))
    control_plane.kubectl("wait", "--for=condition=Ready", "--timeout=60s", *names)
    yield
    control_plane.kubectl("delete", *names)


def find_nodes(team):
    """Which nodes the pods are on, without what tells apart nodes of one kind."""
    return {pod["spec"]["nodeName"].split("-")[0] for pod in team.list("pods")}


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("gpu", "kind", "device"),
    [
        pytest.param({"count": 2, "profile": "l4"}, "l4", "cuda", id="small"),
        pytest.param({"count": 8, "profile": "h100"}, "h100", "cuda", id="large and tainted"),
        pytest.param({"count": 4, "profile": "mi300x"}, "mi300x", "cuda", id="another maker"),
        pytest.param({"count": 1}, "l4", "cuda", id="no profile: any that is not dedicated"),
        pytest.param({}, "operator", "cpu", id="no GPU: away from the GPU nodes"),
    ],
)
def test_a_profile_puts_pods_on_its_nodes(team, gpu, kind, device):
    team.apply(resources={"gpu": gpu}, scaling={"replicas": 1})
    team.wait_ready()
    assert find_nodes(team) == {kind}
    assert team.status()["device"]["requested"] == device


@pytest.mark.usefixtures("fleet")
def test_more_gpus_than_a_node_of_the_profile_has_are_named(team):
    team.apply(resources={"gpu": {"count": 6, "profile": "l4"}})
    team.wait_condition("Ready", "False", "Unschedulable")
    assert f"too few {NVIDIA} free" in team.status()["failure"]["message"]


def test_a_profile_that_nobody_knows_is_refused_with_those_there_are(team):
    team.apply(resources={"gpu": {"count": 1, "profile": "b200"}})
    team.wait_condition("Ready", "False", "PolicyForbids")
    message = team.status()["conditions"][0]["message"]
    assert "'b200' is not among those that the platform allows (l4, h100, mi300x)" in message
    assert team.list("deployments") == []


EVERYTHING = {
    "labels": {"team": "search"},
    "annotations": {"example.com/owner": "Müller <search@example.com>"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [
        {"key": "dedicated", "value": "search", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": MODEL, "operator": "DoesNotExist"}]}
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 5,
                    "preference": {
                        "matchFields": [
                            {"key": "metadata.name", "operator": "NotIn", "values": ["x"]}
                        ]
                    },
                }
            ],
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"team": "training"}},
                    },
                }
            ]
        },
    },
    "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname", "maxSkew": 2}],
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "system-node-critical",
    "schedulerName": "default-scheduler",
    "serviceAccountName": "default",
}


def test_everything_of_a_pod_template_arrives_at_the_pods(team):
    env = [{"name": "GREETING", "value": "$(HOSTNAME) $$5"}]
    team.apply(
        podTemplate={**EVERYTHING, "priorityClassName": ""}, runtime={"env": env}, suspend=False
    )
    team.wait_ready()
    pod = team.list("pods")[0]
    assert pod["metadata"]["labels"]["team"] == "search"
    assert pod["metadata"]["annotations"]["example.com/owner"] == "Müller <search@example.com>"
    spec = pod["spec"]
    assert spec["affinity"] == EVERYTHING["affinity"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert {
        "key": "spot",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 60,
    } in (spec["tolerations"])
    assert spec["topologySpreadConstraints"][0]["maxSkew"] == 2
    assert spec["containers"][0]["env"][1] == {"name": "GREETING", "value": "$$(HOSTNAME) $$$$5"}


@pytest.mark.parametrize("name", ["priorityClassName", "serviceAccountName", "runtimeClassName"])
def test_a_name_that_the_policy_does_not_list_is_refused(team, name):
    team.apply(podTemplate={name: "not-listed"})
    team.wait_condition("Ready", "False", "PolicyForbids")
    assert f"spec.podTemplate.{name}" in team.status()["conditions"][0]["message"]


def test_the_api_server_keeps_every_field_that_is_rendered(team):
    """What it would drop or default otherwise would be applied again and again."""
    team.apply(podTemplate={**EVERYTHING, "priorityClassName": ""})
    team.wait_ready()
    md, policy = parse_model(team.get(MDL)), parse_policy(POLICY, "test")
    ledger = begin(md, render(md, policy, Commits()))
    template = build_children(md, ledger, policy)[0].body["spec"]["template"]
    live = team.get("deployment")["spec"]["template"]
    fields = ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints")
    assert {f: live["spec"][f] for f in fields} == {f: template["spec"][f] for f in fields}
