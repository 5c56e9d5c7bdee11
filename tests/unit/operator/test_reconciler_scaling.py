"""Who scales a model: replicas are handed over without a drop, whatever happens in between."""

from contextlib import suppress
from itertools import permutations

import pytest

from modelyard_kube.errors import ClusterError
from tests.support.fake_cluster import FakeCluster, Killed
from tests.support.objects import build_model, build_policy
from tests.support.reconciling import KEY, Operator, conditions, serve, status

POLICY = """
runtime: {image: example.com/runtime:1}
gateway: {serviceAccount: gateways/gateway}
prometheus: {address: "http://prometheus:9090"}
"""
RANGE = {"min": 2, "max": 9, "target": {"inFlight": 4}}
MODES = {
    "none": {"mode": "none", "replicas": 3},
    "builtin": {"mode": "builtin", **RANGE},
    "hpa": {"mode": "hpa", **RANGE},
    "keda": {"mode": "keda", **RANGE},
}
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


class Watched(FakeCluster):
    """Keeps every number of pods that the Deployment has wanted."""

    def __init__(self, *models):
        super().__init__(*models)
        self.wanted = []

    async def apply_child(self, kind, body, *, force):
        record = await super().apply_child(kind, body, force=force)
        self.note()
        return record

    async def write_scale(self, live, replicas):
        await super().write_scale(live, replicas)
        self.note()

    def note(self):
        if ("Deployment", KEY) in self.children:
            self.wanted.append(self.children["Deployment", KEY]["spec"]["replicas"])


def build(scaling, **more):
    return build_model(scaling=scaling, **more)


def start(scaling, policy=POLICY, **more):
    cluster = Watched(build(scaling, **more))
    return cluster, Operator(cluster, build_policy(policy))


def edit(cluster, **spec):
    """Somebody edits the object."""
    body = cluster.models[KEY]
    body["spec"].update(spec)
    body["metadata"]["generation"] += 1


def scalers(cluster):
    return {kind for kind in SCALERS if (kind, KEY) in cluster.children}


@pytest.mark.parametrize(("before", "after"), list(permutations(MODES, 2)))
async def test_switching_between_modes_drops_no_replicas(before, after):
    """Except to none, which applies spec.scaling.replicas."""
    cluster, operator = start(MODES[before])
    await serve(operator)
    cluster.scale_child(KEY, 7)
    if before == "none":
        edit(cluster, scaling={"mode": "none", "replicas": 7})
        await operator.reconcile()
    cluster.wanted.clear()
    edit(cluster, scaling=MODES[after])
    await operator.reconcile()
    end = 3 if after == "none" else 7
    assert set(cluster.wanted) <= {7, end}
    assert cluster.children["Deployment", KEY]["spec"]["replicas"] == end
    expected = {"hpa": {SCALERS[0]}, "keda": {SCALERS[1]}}.get(after, set())
    assert scalers(cluster) == expected
    assert len(operator.autoscaler) == (after == "builtin")


@pytest.mark.parametrize("mode", MODES)
async def test_suspending_and_resuming(mode):
    cluster, operator = start(MODES[mode])
    await serve(operator)
    edit(cluster, suspend=True)
    await operator.reconcile()
    assert cluster.wanted[-1] == 0
    assert (scalers(cluster), len(operator.autoscaler)) == (set(), 0)
    assert conditions(cluster)["Ready"] == ("False", "Suspended")
    cluster.wanted.clear()
    edit(cluster, suspend=False)
    await operator.reconcile()
    resumed = 3 if mode == "none" else 2
    assert set(cluster.wanted) == {resumed}


@pytest.mark.parametrize("mode", ["builtin", "hpa", "keda"])
async def test_a_hand_over_that_is_cut_off_is_finished_by_the_next_process(mode):
    """Wherever it stops: no number of pods but the one that was there."""
    for number in range(6):
        cluster, operator = start(MODES["none"])
        await serve(operator)
        cluster.wanted.clear()
        edit(cluster, scaling=MODES[mode])
        cluster.kill_after = len(cluster.writes) + number
        with suppress(Killed):
            await operator.reconcile()
        cluster.kill_after = None
        operator = Operator(cluster, build_policy(POLICY))
        await operator.reconcile()
        await operator.reconcile()
        assert set(cluster.wanted) == {3}
        cluster.scale_child(KEY, 5)
        await operator.reconcile()
        assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 5


@pytest.mark.parametrize("before", ["none", "builtin"])
@pytest.mark.parametrize("after", ["builtin", "hpa", "keda"])
async def test_a_deployment_that_the_watch_does_not_see_keeps_its_pods(before, after):
    """Somebody has taken our labels off it: its metadata are read, which do not tell replicas."""
    cluster, operator = start(MODES[before])
    await serve(operator)
    if before == "builtin":
        cluster.scale_child(KEY, 3)
    cluster.hidden.add(("Deployment", KEY))
    edit(cluster, scaling=MODES[after])
    await Operator(cluster, build_policy(POLICY)).reconcile()
    assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 3


async def test_a_hand_over_that_fails_changes_nothing():
    cluster, operator = start(MODES["none"])
    await serve(operator)
    cluster.refuse["Scale"] = ClusterError("busy", status=503)
    edit(cluster, scaling=MODES["builtin"])
    with pytest.raises(ClusterError):
        await operator.reconcile()
    assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 3


@pytest.mark.parametrize("mode", ["builtin", "hpa", "keda"])
async def test_what_scales_is_left_to_it_and_costs_nothing(mode):
    cluster, operator = start(MODES[mode])
    await serve(operator)
    for replicas in (4, 6, 3):
        cluster.scale_child(KEY, replicas)
        cluster.finish_rollout(KEY)
        await operator.reconcile()
        assert cluster.children["Deployment", KEY]["spec"]["replicas"] == replicas
        assert conditions(cluster)["Ready"] == ("True", "Serving")
        assert status(cluster)["replicas"] == replicas
    writes = len(cluster.writes)
    await Operator(cluster, build_policy(POLICY)).reconcile()
    assert cluster.writes[writes:] == []


async def test_where_nothing_scales_what_others_scale_is_undone():
    cluster, operator = start(MODES["none"])
    await serve(operator)
    for process in (operator, Operator(cluster, build_policy(POLICY))):
        cluster.scale_child(KEY, 9)
        await process.reconcile()
        assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 3


MISSING = {
    # scaling, the API group that it needs
    "cpu": ({"mode": "hpa", "max": 9, "target": {"cpu": 80}}, "metrics.k8s.io"),
    "memory": ({"mode": "hpa", "max": 9, "target": {"memory": 80}}, "metrics.k8s.io"),
    "requests": ({"mode": "hpa", "max": 9}, "custom.metrics.k8s.io"),
    "keda": ({"mode": "keda", "max": 9}, "keda.sh"),
}


@pytest.mark.parametrize("name", MISSING)
async def test_what_is_missing_is_named_and_the_pods_stay(name):
    scaling, group = MISSING[name]
    cluster, operator = start(MODES["none"])
    await serve(operator)
    cluster.groups.discard(group)
    cluster.wanted.clear()
    edit(cluster, scaling=scaling)
    assert await operator.reconcile() == 30
    found = conditions(cluster)
    assert found["Accepted"] == ("True", "Accepted")
    assert found["Available"] == ("True", "Serving")
    assert found["Progressing"] == ("False", "ScalerUnavailable")
    assert found["Ready"] == ("False", "ScalerUnavailable")
    assert f"(API group {group})" in status(cluster)["failure"]["message"]
    assert (set(cluster.wanted), scalers(cluster)) == ({3}, set())
    cluster.groups.add(group)
    operator.clock += 30
    await operator.reconcile()
    assert len(scalers(cluster)) == 1
    assert "failure" not in status(cluster)


async def test_sleep_needs_a_gateway():
    cluster, operator = start(
        {"mode": "builtin", "max": 3, "idleAfter": "1m"}, "runtime: {image: example.com/runtime:1}"
    )
    await operator.reconcile()
    assert conditions(cluster)["Accepted"] == ("False", "GatewayRequired")
    assert (cluster.children, len(operator.autoscaler)) == ({}, 0)


SLEEPY = {"mode": "builtin", "max": 3, "idleAfter": "1m"}


async def test_a_model_that_sleeps_says_so():
    cluster, operator = start(SLEEPY)
    await serve(operator)
    cluster.scale_child(KEY, 0)
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = []
    await operator.reconcile()
    assert status(cluster)["phase"] == "Sleeping"
    assert conditions(cluster) == {
        "Accepted": ("True", "Accepted"),
        "Progressing": ("False", "Sleeping"),
        "Available": ("False", "Sleeping"),
        "Ready": ("True", "Sleeping"),
    }
    assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 0


async def test_a_revision_that_has_never_served_is_not_ready_while_it_sleeps():
    cluster, operator = start(SLEEPY)
    await operator.reconcile()
    cluster.scale_child(KEY, 0)
    cluster.finish_rollout(KEY)
    await operator.reconcile()
    assert status(cluster)["phase"] == "Sleeping"
    assert conditions(cluster)["Ready"] == ("False", "Sleeping")


async def test_demand_is_handed_on_and_never_written():
    held = {"gateway-0": {"waiting": 3, "at": "2026-11-22T09:59:55Z"}}
    cluster, operator = start(SLEEPY, status={"demand": held})
    recheck = await operator.reconcile()
    assert recheck == 55
    assert "demand" not in status(cluster)
    status(cluster)["demand"] = held
    writes = len(cluster.writes)
    await operator.reconcile()
    assert cluster.writes[writes:] == []


async def test_keda_may_not_put_a_model_to_sleep_that_gateways_hold_requests_for():
    cluster, operator = start({"mode": "keda", "max": 3, "idleAfter": "1m"})
    await operator.reconcile()

    def find_idle():
        return cluster.children["ScaledObject", KEY]["spec"].get("idleReplicaCount")

    assert find_idle() == 0
    cluster.models[KEY]["status"]["demand"] = {"g": {"waiting": 3, "at": "2026-11-22T09:59:30Z"}}
    await operator.reconcile()
    assert find_idle() is None
    cluster.models[KEY]["status"]["demand"] = {"g": {"waiting": 3, "at": "2026-11-22T09:58:30Z"}}
    await operator.reconcile()
    assert find_idle() == 0


async def test_a_model_that_goes_is_followed_no_more():
    cluster, operator = start(MODES["builtin"])
    await serve(operator)
    assert len(operator.autoscaler) == 1
    del cluster.models[KEY]
    await operator.reconcile()
    assert len(operator.autoscaler) == 0


async def test_who_leads_no_more_follows_none():
    _, operator = start(MODES["builtin"])
    await serve(operator)
    operator.reconciler.forget_all()
    assert len(operator.autoscaler) == 0
