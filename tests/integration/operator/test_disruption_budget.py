"""PodDisruptionBudgets on a real API server: the disruption controller counts, evictions are asked.

A drain cordons a node and evicts its pods; so do these tests, each with a node of its own.
"""

import json
import uuid

import pytest

from modelyard_local.errors import CommandFailed
from tests.support.kubectl import MDL, build_kwok_node

BUDGET = "poddisruptionbudget"


@pytest.fixture
def drained(control_plane):
    """A node that kwok plays, to be drained."""
    name = f"drained-{uuid.uuid4().hex[:6]}"
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(build_kwok_node(name)))
    control_plane.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{name}")
    yield name
    control_plane.kubectl("delete", "node", name)


@pytest.fixture
def two_pods(team, drained):
    """A model whose two pods are ready on a node that takes no more."""
    place = {"nodeSelector": {"kubernetes.io/hostname": drained}}
    team.apply(scaling={"replicas": 2}, podTemplate=place)
    team.wait_ready()
    wait_allowed(team, 1)
    team.cluster.kubectl("cordon", drained)
    return [pod["metadata"]["name"] for pod in team.list("pods")]


def wait_allowed(team, count):
    """Wait until the disruption controller lets so many pods go."""
    team.wait(
        lambda: (team.get(BUDGET) or {}).get("status", {}).get("disruptionsAllowed") == count,
        f"the budget lets {count} pods go",
    )


def evict(team, pod):
    """Ask for the eviction of a pod, as a drain does; returns why it is refused."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": team.name},
    }
    path = f"/api/v1/namespaces/{team.name}/pods/{pod}/eviction"
    try:
        team.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(body))
    except CommandFailed as refused:
        return refused.tail.strip()
    return None


def patch_model(team, **spec):
    team.kubectl("patch", MDL, "qwen", "--type=merge", "-p", json.dumps({"spec": spec}))


def test_a_drain_takes_the_pods_one_at_a_time(team, drained, two_pods):
    first, second = two_pods
    assert evict(team, first) is None
    assert evict(team, second) == (
        "Error from server (TooManyRequests): Cannot evict pod as it would violate the pod's "
        "disruption budget."
    )
    team.wait(lambda: team.get("pod", first) is None, "the first pod is gone")
    assert team.get("pod", second)["status"]["phase"] == "Running"
    # Another pod serves in the place of the first: now the second may go.
    team.cluster.kubectl("uncordon", drained)
    team.wait_ready()
    wait_allowed(team, 1)
    assert evict(team, second) is None


def test_a_pod_that_is_not_ready_holds_no_drain_up(team, two_pods):
    first, second = two_pods
    assert evict(team, first) is None
    ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    patch = json.dumps({"status": {"conditions": [ready]}})
    team.kubectl("patch", "pod", second, "--subresource=status", "-p", patch)
    team.wait(lambda: team.get(BUDGET)["status"]["currentHealthy"] == 0, "no pod counts as healthy")
    assert team.get("pod", second)["status"]["phase"] == "Running"
    assert evict(team, second) is None


def test_the_only_pod_is_let_go(team):
    team.apply()
    team.wait_ready()
    (pod,) = (each["metadata"]["name"] for each in team.list("pods"))
    assert team.get(BUDGET) is None
    assert evict(team, pod) is None


def test_the_only_pod_is_let_go_also_where_there_may_be_more(team):
    team.apply(scaling={"max": 2})
    team.wait_ready()
    wait_allowed(team, 1)
    (pod,) = (each["metadata"]["name"] for each in team.list("pods"))
    assert evict(team, pod) is None


def test_it_comes_and_goes_with_the_second_pod(team):
    team.apply()
    team.wait_ready()
    team.kubectl("scale", MDL, "qwen", "--replicas=2")
    team.wait(lambda: team.get(BUDGET), "a budget of two pods")
    assert team.get(BUDGET)["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": team.get("deployment")["spec"]["selector"],
    }
    patch_model(team, suspend=True)
    team.wait(lambda: team.get(BUDGET) is None, "none while suspended")
    patch_model(team, suspend=False)
    team.wait(lambda: team.get(BUDGET), "a budget again")
    patch_model(team, scaling={"replicas": 1})
    team.wait(lambda: team.get(BUDGET) is None, "none of one pod")
    patch_model(team, scaling={"max": 2})
    team.wait(lambda: team.get(BUDGET), "a budget of a model that scales")
    team.kubectl("delete", MDL, "qwen")
    team.wait(lambda: team.get(BUDGET) is None, "collected")


@pytest.mark.parametrize(
    "edit",
    [
        ["patch", BUDGET, "qwen", "--type=merge", "-p", '{"spec":{"maxUnavailable":2}}'],
        ["label", BUDGET, "qwen", "app.kubernetes.io/managed-by-"],
        ["delete", BUDGET, "qwen"],
    ],
    ids=["edited", "our label removed", "deleted"],
)
def test_what_others_do_to_it_is_undone(team, edit):
    team.apply(scaling={"replicas": 2})
    team.wait_ready()
    before = team.get(BUDGET)
    team.kubectl(*edit)

    def is_as_before():
        body = team.get(BUDGET)
        return (
            body is not None
            and body["spec"] == before["spec"]
            and body["metadata"]["labels"] == before["metadata"]["labels"]
        )

    team.wait(is_as_before, f"{edit} undone")


def test_one_that_is_not_ours_is_not_touched(team):
    team.kubectl("create", BUDGET, "qwen", "--selector=app=theirs", "--max-unavailable=0")
    before = team.get(BUDGET)
    team.apply(scaling={"replicas": 2})
    team.wait_condition("Accepted", "False", "NameTaken")
    assert team.status()["conditions"][0]["message"].startswith("PodDisruptionBudget qwen exists")
    assert team.get(BUDGET)["spec"] == before["spec"]
    # With one pod the name is not needed.
    patch_model(team, scaling={"replicas": 1})
    team.wait_ready()
    assert team.get(BUDGET)["spec"] == before["spec"]


def test_a_restart_makes_what_is_missing_and_writes_nothing_else(team, operator):
    names = ("kept", "lost")
    for name in names:
        team.apply(name, scaling={"replicas": 2})
    for name in names:
        team.wait_ready(name)
        team.wait_good(name)
    before = generations(team, names)
    operator.stop()
    team.kubectl("delete", BUDGET, "lost")
    operator.start()
    team.wait(lambda: team.get(BUDGET, "lost"), "the budget that was missing")
    # A third pod writes no budget; once it is there, the operator has looked at both models.
    team.apply("kept", scaling={"replicas": 3})
    team.wait(lambda: team.status("kept")["readyReplicas"] == 3, "three pods serve")
    assert operator.metric('modelyard_operator_writes_total{kind="PodDisruptionBudget"}') == 1
    deployment, budget = before["kept"]
    assert generations(team, names) == {**before, "kept": (deployment + 1, budget)}


def generations(team, names):
    """How often the specs of Deployments and budgets were written."""
    return {
        name: tuple(
            team.get(kind, name)["metadata"]["generation"] for kind in ("deployment", BUDGET)
        )
        for name in names
    }
