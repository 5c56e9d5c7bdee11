"""/scale, as kubectl and autoscalers use it, and suspend."""

import json

from tests.support.kubectl import MDL

SELECTOR = "app.kubernetes.io/managed-by=modelyard,modelyard.dev/model=qwen"


def get_scale(team):
    path = f"/apis/modelyard.dev/v1alpha1/namespaces/{team.name}/modeldeployments/qwen/scale"
    return json.loads(team.kubectl("get", "--raw", path))


def test_kubectl_scales_a_model(team):
    team.apply(scaling={"replicas": 2})
    team.wait_ready()
    scale = get_scale(team)
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 2, "selector": SELECTOR}
    revision = team.wait_good()

    team.kubectl("scale", MDL, "qwen", "--replicas=3")
    team.wait(lambda: team.status().get("readyReplicas") == 3, "three pods serve")
    team.wait_ready()
    assert team.status()["revision"] == revision


def test_the_selector_finds_the_pods(team):
    team.apply(scaling={"replicas": 2})
    team.apply("other")
    team.wait_ready()
    team.wait_ready("other")
    found = team.kubectl("get", "pods", "-o", "name", "-l", get_scale(team)["status"]["selector"])
    assert len(found.split()) == 2


def test_a_suspended_model_has_no_pods_and_comes_back_as_it_was(team):
    team.apply(scaling={"replicas": 2})
    team.wait_ready()
    before = team.get("deployment")["spec"]["template"]
    team.kubectl("patch", MDL, "qwen", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    team.wait(lambda: not team.list("pods"), "no pods")
    team.wait_condition("Ready", "False", "Suspended")
    team.wait_condition("Available", "False", "Suspended")
    # Counts of pods come later than the pods.
    team.wait(lambda: team.status()["replicas"] == 0, "no pods are counted")
    assert team.status()["phase"] == "Suspended"
    assert get_scale(team)["spec"] == {"replicas": 2}

    team.kubectl("patch", MDL, "qwen", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    team.wait_ready()
    assert team.status()["readyReplicas"] == 2
    assert team.get("deployment")["spec"]["template"] == before


def test_a_model_may_not_sleep_where_no_gateway_wakes_it(team):
    team.apply(scaling={"max": 3, "idleAfter": "1m"})
    team.wait_condition("Accepted", "False", "GatewayRequired")
    team.wait_condition("Ready", "False", "GatewayRequired")
    assert team.list("deployments") == []
    team.apply(scaling={"max": 3})
    team.wait_ready()
