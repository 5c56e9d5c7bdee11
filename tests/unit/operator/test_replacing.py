"""Pods in the place of old ones, and what happens while nothing serves."""

import pytest

from modelyard_operator.projection import project_pod
from tests.support.fake_cluster import FakeCluster
from tests.support.objects import (
    SCHEDULED,
    UNREADY,
    build_model,
    build_pod,
    condition,
    container,
    ended,
    serving,
    status_of,
    waiting,
)
from tests.support.reconciling import KEY, Operator, conditions, serve
from tests.support.rollouts import (
    OTHER,
    applied,
    crashing,
    edit,
    homeless,
    notes,
    pace,
    play,
)


@pytest.fixture
def cluster():
    return FakeCluster(build_model(update={"surgeTimeout": "60s"}))


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


async def test_a_pod_without_room_beside_the_old_ones_takes_their_place_after_the_timeout(
    operator, cluster
):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    assert pace(cluster) == {"maxSurge": 1, "maxUnavailable": 0}
    play(cluster, replicas=2, updated=1, ready=1)
    cluster.pods[KEY] = [serving(revision=old), homeless(new)]
    operator.date = "2026-11-22T09:59:30Z"  # half a minute after the pod was made
    assert 0 < await operator.reconcile() <= 30
    assert pace(cluster) == {"maxSurge": 1, "maxUnavailable": 0}
    operator.date = "2026-11-22T10:00:01Z"
    await operator.reconcile()
    assert (pace(cluster), notes(cluster)) == (
        {"maxSurge": 0, "maxUnavailable": 1},
        {"replaces": new},
    )
    assert conditions(cluster)["Progressing"] == ("True", "Replacing")


async def test_after_a_replacement_the_next_update_tries_to_surge_again(operator, cluster):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=2, updated=1, ready=1)
    cluster.pods[KEY] = [serving(revision=old), homeless(new)]
    operator.date = "2026-11-22T10:00:01Z"
    await operator.reconcile()
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = [serving(revision=new)]
    await operator.reconcile()
    assert (pace(cluster), notes(cluster)) == ({"maxSurge": 1, "maxUnavailable": 0}, {"good": new})


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("surge", {"maxSurge": 1, "maxUnavailable": 0}),
        ("replace", {"maxSurge": 0, "maxUnavailable": 1}),
    ],
)
async def test_a_strategy_that_is_asked_for_is_kept(cluster, operator, strategy, expected):
    cluster.put_model(build_model(update={"strategy": strategy}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=2, updated=1, ready=1)
    cluster.pods[KEY] = [serving(revision=old), homeless(new)]
    operator.date = "2026-11-22T12:00:00Z"
    await operator.reconcile()
    assert pace(cluster) == expected


async def test_while_nothing_serves_a_failure_that_stays_is_given_up_soon(cluster, operator):
    cluster.put_model(build_model(update={"strategy": "replace"}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=1, updated=1, ready=0)
    stuck = status_of(SCHEDULED, UNREADY, containers=container(waiting("ErrImagePull", "no such")))
    cluster.pods[KEY] = [project_pod(build_pod("qwen-b", revision=new, status=stuck))]
    assert 0 < await operator.reconcile() <= 30
    assert applied(cluster) == new
    operator.date = "2026-11-22T10:00:31Z"
    await operator.reconcile()
    assert applied(cluster) == old
    assert conditions(cluster)["Progressing"] == ("False", "RolledBack")


async def test_a_pod_waits_for_what_the_old_one_still_holds(cluster, operator):
    """Half a minute after that one has gone, a pod that fits nowhere gives the device back."""
    cluster.put_model(build_model(update={"strategy": "replace", "surgeTimeout": "10s"}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=1, updated=1, ready=0)
    cluster.pods[KEY] = [serving(revision=old, leaving=True), homeless(new)]
    operator.date = "2026-11-22T10:00:10Z"  # its grace period was over ten seconds ago
    assert await operator.reconcile() == 20
    assert conditions(cluster)["Progressing"] == ("True", "Starting")
    cluster.pods[KEY] = [homeless(new)]
    await operator.reconcile()
    assert conditions(cluster)["Progressing"] == ("False", "Unschedulable")


async def test_a_pod_of_a_dead_node_hides_nothing(cluster, operator):
    """It terminates until somebody removes the node."""
    revision = await serve(operator)
    play(cluster, replicas=1, updated=1, ready=0)
    cluster.pods[KEY] = [serving(revision=revision, leaving=True), homeless(revision)]
    operator.date = "2026-11-22T12:00:00Z"
    await operator.reconcile()
    assert conditions(cluster)["Ready"] == ("False", "Unschedulable")


async def test_a_pod_that_fits_nowhere_gives_back_what_the_last_good_one_needs(cluster, operator):
    cluster.put_model(build_model(resources={"gpu": {"count": 1}}, update={"strategy": "replace"}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER, resources={"gpu": {"count": 2}})
    play(cluster, replicas=1, updated=1, ready=0)
    no_gpu = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    cluster.pods[KEY] = [homeless(new, message=no_gpu)]
    assert await operator.reconcile() == 60
    operator.date = "2026-11-22T10:01:01Z"
    await operator.reconcile()
    assert applied(cluster) == old


async def test_going_back_is_no_cure_for_a_full_cluster(cluster, operator):
    """The last good one would find no node either, and nobody asked for it."""
    cluster.put_model(build_model(update={"strategy": "replace"}))
    await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=1, updated=1, ready=0)
    cluster.pods[KEY] = [homeless(new)]
    await operator.reconcile()
    operator.date = "2026-11-22T10:20:00Z"
    await operator.reconcile()
    assert applied(cluster) == new


async def test_a_container_that_tries_again_is_let_try(cluster, operator):
    cluster.put_model(build_model(update={"strategy": "replace"}))
    await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=1, updated=1, ready=0)
    running = {"running": {"startedAt": "2026-11-22T09:59:30Z"}}
    loading = status_of(SCHEDULED, UNREADY, containers=container(running, ended(1), restarts=1))
    cluster.pods[KEY] = [project_pod(build_pod("qwen-b", revision=new, status=loading))]
    await operator.reconcile()
    operator.date = "2026-11-22T10:05:00Z"
    await operator.reconcile()
    assert applied(cluster) == new


async def test_a_hub_that_asks_for_patience_is_not_watched_every_second(cluster, operator):
    cluster.put_model(build_model(update={"strategy": "replace"}))
    await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=1, updated=1, ready=0)
    cluster.pods[KEY] = [crashing(new, 5, reason="RateLimited")]
    await operator.reconcile()
    operator.date = "2026-11-22T10:10:00Z"
    assert await operator.reconcile() > 60


QUOTA = condition(
    "ReplicaFailure",
    reason="FailedCreate",
    since=30,
    message='pods "q" is forbidden: exceeded quota: g',
)


async def test_a_quota_that_leaves_no_room_is_like_a_node_that_has_none(cluster, operator):
    cluster.put_model(build_model(update={"surgeTimeout": "10s"}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    play(cluster, replicas=1, updated=0, ready=1, facts=[QUOTA])
    cluster.pods[KEY] = [serving(revision=old)]
    await operator.reconcile()
    assert notes(cluster) == {"replaces": new}
    play(cluster, replicas=0, updated=0, ready=0, facts=[QUOTA])
    cluster.pods[KEY] = [serving(revision=old, leaving=True)]
    operator.date = "2026-11-22T10:00:20Z"
    await operator.reconcile()
    assert conditions(cluster)["Progressing"] == ("True", "Replacing")
    # The ReplicaSet comes back after its last refusal only in a minute or two.
    cluster.pods[KEY] = []
    await operator.reconcile()
    operator.date = "2026-11-22T10:02:00Z"
    await operator.reconcile()
    assert applied(cluster) == new


async def test_after_a_replacement_that_was_asked_for_elsewhere_old_pods_stay(cluster, operator):
    """Other nodes are meant: what the old pod holds is of no use there."""
    update = {"surgeTimeout": "1s"}
    cluster.put_model(build_model(resources={"gpu": {"count": 1}}, update=update))
    old = await serve(operator)
    elsewhere = {"nodeSelector": {"gpu": "h100"}}
    spec = {"model": OTHER, "resources": {"gpu": {"count": 1}}, "podTemplate": elsewhere}
    new = await edit(operator, **spec)
    play(cluster, replicas=2, updated=1, ready=1)
    told = "0/4 nodes are available: 2 Insufficient nvidia.com/gpu, 2 node(s) didn't match"
    cluster.pods[KEY] = [serving(revision=old), homeless(new, message=told)]
    await operator.reconcile()
    assert notes(cluster) == {}
    assert conditions(cluster)["Progressing"] == ("False", "Unschedulable")


@pytest.mark.parametrize(
    ("asked", "message", "goes_first"),
    [
        pytest.param(1, "1 Insufficient nvidia.com/gpu", True, id="as many GPUs as the old pod"),
        pytest.param(2, "1 Insufficient nvidia.com/gpu", False, id="more than the old pod holds"),
        pytest.param(1, "1 Too many pods", True, id="no slot for another pod"),
        pytest.param(1, "1 node(s) didn't match Pod's node affinity", False, id="no such node"),
        pytest.param(
            1, "1 Insufficient nvidia.com/gpu, 1 Insufficient memory", True, id="two resources"
        ),
    ],
)
async def test_an_old_pod_only_goes_if_that_makes_room(
    cluster, operator, asked, message, goes_first
):
    update = {"surgeTimeout": "1s"}
    cluster.put_model(build_model(resources={"gpu": {"count": 1}}, update=update))
    old = await serve(operator)
    new = await edit(operator, model=OTHER, resources={"gpu": {"count": asked}})
    play(cluster, replicas=2, updated=1, ready=1)
    told = f"0/1 nodes are available: {message}."
    cluster.pods[KEY] = [serving(revision=old), homeless(new, message=told)]
    await operator.reconcile()
    assert (notes(cluster) == {"replaces": new}) is goes_first
    expected = ("True", "Replacing") if goes_first else ("False", "Unschedulable")
    assert conditions(cluster)["Progressing"] == expected
