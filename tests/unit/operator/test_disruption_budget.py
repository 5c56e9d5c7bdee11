"""PodDisruptionBudgets: which models have one, what it says, and that it comes and goes."""

from contextlib import suppress

import pytest

from modelyard_operator.desired.disruption_budget import build_disruption_budget, has_budget
from modelyard_operator.projection import project_disruption_budget
from tests.support.fake_cluster import FakeCluster, Killed
from tests.support.objects import build_model, build_policy, parse
from tests.support.reconciling import KEY, Operator, conditions, serve, status

BUDGET = "PodDisruptionBudget"
POLICY = """
runtime: {image: example.com/runtime:1}
gateway: {serviceAccount: gateways/gateway}
prometheus: {address: "http://prometheus:9090"}
"""


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, False, id="one pod, as by default"),
        pytest.param({"scaling": {"replicas": 2}}, True, id="two pods"),
        pytest.param({"scaling": {"replicas": 0}}, False, id="scaled to zero"),
        pytest.param({"scaling": {"replicas": 3}, "suspend": True}, False, id="suspended"),
        pytest.param({"scaling": {"max": 2}}, True, id="auto, up to two"),
        pytest.param({"scaling": {"min": 2, "max": 2}}, False, id="auto, no range: replicas, one"),
        pytest.param(
            {"scaling": {"max": 1, "replicas": 2}}, True, id="auto, no range: replicas, two"
        ),
        pytest.param({"scaling": {"max": 1, "idleAfter": "1m"}}, False, id="asleep or one"),
        pytest.param({"scaling": {"max": 2, "idleAfter": "1m"}}, True, id="asleep or two"),
        pytest.param({"scaling": {"mode": "builtin", "max": 1}}, False, id="builtin, one"),
        pytest.param({"scaling": {"mode": "builtin", "max": 2}}, True, id="builtin, up to two"),
        pytest.param(
            {"scaling": {"mode": "builtin", "max": 1, "replicas": 5}},
            False,
            id="builtin, one, replicas do not count",
        ),
        pytest.param(
            {"scaling": {"mode": "none", "max": 5}}, False, id="none, a maximum does not count"
        ),
        pytest.param({"scaling": {"mode": "hpa", "max": 2}}, True, id="hpa"),
        pytest.param({"scaling": {"mode": "hpa", "max": 1}}, False, id="hpa, one"),
        pytest.param({"scaling": {"mode": "keda", "max": 2}}, True, id="keda"),
        pytest.param(
            {"scaling": {"mode": "keda", "max": 2}, "suspend": True}, False, id="keda, suspended"
        ),
    ],
)
def test_a_model_that_may_have_two_pods_has_a_budget(spec, expected):
    assert has_budget(parse(**spec)) == expected


def test_it_lets_one_pod_of_the_model_go_and_every_pod_that_does_not_serve():
    owner = {"name": "qwen", "uid": "uid-1", "controller": True, "blockOwnerDeletion": True}
    labels = {"app.kubernetes.io/managed-by": "modelyard", "modelyard.dev/model": "qwen"}
    assert build_disruption_budget(parse(scaling={"replicas": 2})) == {
        "apiVersion": "policy/v1",
        "kind": BUDGET,
        "metadata": {
            "name": "qwen",
            "namespace": "team",
            "labels": labels,
            "annotations": {},
            "ownerReferences": [
                {"apiVersion": "modelyard.dev/v1alpha1", "kind": "ModelDeployment", **owner}
            ],
        },
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": labels},
        },
    }


def start(**spec):
    cluster = FakeCluster(build_model(**spec))
    return cluster, Operator(cluster, build_policy(POLICY))


def edit(cluster, **spec):
    """Somebody edits the object; returns the writes from here on."""
    body = cluster.models[KEY]
    body["spec"].update(spec)
    body["metadata"]["generation"] += 1
    cluster.writes.clear()
    return cluster.writes


async def test_a_model_of_one_pod_has_none():
    cluster, operator = start()
    await operator.reconcile()
    assert (BUDGET, KEY) not in cluster.children
    assert cluster.writes == ["Deployment", "Service", "NetworkPolicy", "Status"]


async def test_it_comes_with_the_second_pod_and_goes_with_it():
    cluster, operator = start()
    await serve(operator)
    template = cluster.children["Deployment", KEY]["spec"]["template"]
    writes = edit(cluster, scaling={"replicas": 2})
    await operator.reconcile()
    assert writes == ["Deployment", BUDGET, "Status"]
    assert cluster.children[BUDGET, KEY]["spec"]["maxUnavailable"] == 1

    writes = edit(cluster, scaling={"replicas": 3})
    await operator.reconcile()
    assert BUDGET not in writes

    writes = edit(cluster, scaling={"replicas": 1})
    await operator.reconcile()
    assert writes == [BUDGET, "Deployment", "Status"]
    assert (BUDGET, KEY) not in cluster.children
    assert cluster.children["Deployment", KEY]["spec"]["template"] == template


@pytest.mark.parametrize(
    "scaling",
    [{"replicas": 2}, {"max": 2}, {"mode": "hpa", "max": 2}, {"mode": "keda", "max": 2}],
    ids=["none", "builtin", "hpa", "keda"],
)
async def test_a_suspended_model_has_none_until_it_is_resumed(scaling):
    cluster, operator = start(scaling=scaling)
    await serve(operator)
    assert (BUDGET, KEY) in cluster.children
    edit(cluster, suspend=True)
    await operator.reconcile()
    assert (BUDGET, KEY) not in cluster.children
    edit(cluster, suspend=False)
    await operator.reconcile()
    assert (BUDGET, KEY) in cluster.children


async def test_what_autoscaling_does_within_its_range_writes_nothing():
    cluster, operator = start(scaling={"max": 3})
    await serve(operator)
    cluster.writes.clear()
    for replicas in (3, 1, 2):
        cluster.scale_child(KEY, replicas)
        cluster.finish_rollout(KEY)
        await operator.reconcile()
    assert BUDGET not in cluster.writes
    assert (BUDGET, KEY) in cluster.children


async def test_an_upgrade_makes_those_that_earlier_versions_did_not_make_once():
    """It shapes no pod, so it waits for no change of the spec."""
    cluster, operator = start(scaling={"replicas": 2})
    await serve(operator)
    template = cluster.children["Deployment", KEY]["spec"]["template"]
    del cluster.children[BUDGET, KEY]
    cluster.writes.clear()
    upgraded = Operator(cluster, build_policy("runtime: {image: example.com/runtime:2}"))
    for _ in range(3):
        await upgraded.reconcile()
    await Operator(cluster).reconcile()
    assert cluster.writes == [BUDGET]
    assert cluster.children["Deployment", KEY]["spec"]["template"] == template


async def test_a_strangers_is_never_touched():
    cluster, operator = start(scaling={"replicas": 2})
    cluster.put_child(BUDGET, KEY, spec={"minAvailable": 2})
    assert await operator.reconcile() == 30
    assert conditions(cluster)["Accepted"] == ("False", "NameTaken")
    message = status(cluster)["conditions"][0]["message"]
    assert message.startswith(f"{BUDGET} qwen exists in namespace team and is not ours.")
    assert cluster.writes == ["Status"]

    edit(cluster, scaling={"replicas": 1})
    await operator.reconcile()
    assert conditions(cluster)["Accepted"] == ("True", "Accepted")
    assert cluster.children[BUDGET, KEY]["spec"] == {"minAvailable": 2}


@pytest.mark.parametrize("where", ["kill_after", "kill_before"])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
async def test_the_next_process_finishes_what_a_crash_has_cut_off(where, before, after):
    for number in range(3):
        cluster, operator = start(scaling={"replicas": before})
        await serve(operator)
        edit(cluster, scaling={"replicas": after})
        setattr(cluster, where, number)
        with suppress(Killed):
            await operator.reconcile()
        cluster.kill_after = cluster.kill_before = None
        operator = Operator(cluster, build_policy(POLICY))
        await operator.reconcile()
        assert ((BUDGET, KEY) in cluster.children) == (after > 1)
        assert cluster.children["Deployment", KEY]["spec"]["replicas"] == after


def test_what_its_controller_counts_wakes_nobody():
    """Its status follows every pod that becomes ready or goes."""
    metadata = build_disruption_budget(parse())["metadata"]
    ours = {"manager": "modelyard", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    counted = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "subresource": "status",
        "fieldsV1": {"f:status": {}},
    }

    def record(version, *claims, allowed):
        known = {"uid": "uid-2", "generation": 1, "resourceVersion": version}
        return project_disruption_budget(
            {
                "metadata": {**metadata, **known, "managedFields": list(claims)},
                "status": {"disruptionsAllowed": allowed},
            }
        )

    assert record("1", ours, allowed=0) == record("2", ours, counted, allowed=1)
