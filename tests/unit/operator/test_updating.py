"""What becomes of a revision, step by step: the reconciler over a cluster in memory."""

import orjson
import pytest

from modelyard_api.report import ReportedError, RuntimeReport, State, encode_termination_message
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
from tests.support.reconciling import KEY, Operator, conditions, serve, status

NAME = "modelyard.dev/"
OTHER = {"uri": "oci://registry.example.com/models/qwen:3"}
THIRD = {"uri": "oci://registry.example.com/models/qwen:4"}


@pytest.fixture
def cluster():
    return FakeCluster(build_model(update={"surgeTimeout": "60s"}))


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


def deployment(cluster):
    return cluster.children["Deployment", KEY]


def notes(cluster):
    """The Deployment's annotations about revisions, without the templates."""
    annotations = deployment(cluster)["metadata"]["annotations"]
    return {
        name.removeprefix(NAME): value
        for name, value in annotations.items()
        if name.removeprefix(NAME) in {"good", "replaces"}
    }


def applied(cluster):
    """The hash of the template in the live Deployment."""
    return deployment(cluster)["spec"]["template"]["metadata"]["labels"][f"{NAME}revision"]


def pace(cluster):
    return deployment(cluster)["spec"]["strategy"]["rollingUpdate"]


async def edit(operator, **spec):
    """Somebody edits the spec; returns the revision that starts."""
    body = operator.cluster.models[KEY]
    generation = body["metadata"]["generation"] + 1
    spec = {"update": body["spec"].get("update", {}), **spec}
    fresh = build_model(generation=generation, status=body["status"], **spec)
    fresh["metadata"]["annotations"] = body["metadata"].get("annotations", {})
    operator.cluster.put_model(fresh)
    await operator.reconcile()
    return status(operator.cluster)["revision"]["target"]


def play(cluster, *, replicas, updated, ready, facts=()):
    """The Deployment's controller has come so far."""
    body = deployment(cluster)
    body["status"] = {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "conditions": list(facts),
    }


def crashing(revision, restarts, *, reason="", name="qwen-b"):
    message = "Traceback\nKeyError: 'x'"
    code = 1
    if reason:
        error = ReportedError(reason=reason, message="It said no.", hint="Ask nicely.")
        message = encode_termination_message(RuntimeReport(state=State.FAILED, error=error))
        code = 78
    status = status_of(
        SCHEDULED,
        UNREADY,
        containers=container(
            waiting("CrashLoopBackOff"), ended(code, message=message), restarts=restarts
        ),
    )
    return project_pod(build_pod(name, revision=revision, status=status))


NO_CPU = "0/1 nodes are available: 1 Insufficient cpu."


def homeless(revision, name="qwen-b", message=NO_CPU):
    fact = condition("PodScheduled", "False", reason="Unschedulable", message=message)
    return project_pod(build_pod(name, revision=revision, status=status_of(fact)))


async def fail(operator, old, new, pod=None):
    """A pod of the new revision fails beside one of the old that serves."""
    play(operator.cluster, replicas=2, updated=1, ready=1)
    operator.cluster.pods[KEY] = [serving(revision=old), pod or crashing(new, 2)]
    await operator.reconcile()


async def test_a_revision_of_which_all_pods_were_ready_is_noted_as_good(operator, cluster):
    revision = await serve(operator)
    assert notes(cluster) == {"good": revision}
    assert [entry["outcome"] for entry in status(cluster)["history"]] == ["Good"]


async def test_a_crash_loop_of_a_revision_that_was_never_good_puts_the_last_good_one_back(
    operator, cluster
):
    old = await serve(operator)
    template = deployment(cluster)["spec"]["template"]
    new = await edit(operator, model=OTHER)
    assert (applied(cluster), notes(cluster)) == (new, {})
    await fail(operator, old, new)
    assert deployment(cluster)["spec"]["template"] == template
    assert notes(cluster) == {"good": old}
    assert conditions(cluster) == {
        "Accepted": ("True", "Accepted"),
        "Progressing": ("False", "RolledBack"),
        "Available": ("True", "Serving"),
        "Ready": ("False", "RolledBack"),
    }
    assert status(cluster)["revision"] == {
        "current": old,
        "target": new,
        "lastGood": old,
        "failed": new,
    }
    assert [(e["revision"], e["outcome"], e.get("reason")) for e in status(cluster)["history"]] == [
        (new, "Failed", "Crashed"),
        (old, "Good", None),
    ]
    assert status(cluster)["phase"] == "RolledBack"
    assert status(cluster)["failure"]["logTail"] == "Traceback\nKeyError: 'x'"


async def test_the_failure_stays_told_when_the_failed_pods_are_gone(operator, cluster):
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    told = status(cluster)["failure"]
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = [serving(revision=old)]
    await operator.reconcile()
    assert status(cluster)["failure"] == told
    assert conditions(cluster)["Ready"] == ("False", "RolledBack")
    assert cluster.notices == [
        ("qwen", "Normal", "Ready"),
        ("qwen", "Normal", "RollingOut"),
        ("qwen", "Warning", "Crashed"),
        ("qwen", "Warning", "RolledBack"),
    ]


@pytest.mark.parametrize(
    ("restarts", "reason", "is_given_up"),
    [
        pytest.param(1, "", False, id="one restart is none"),
        pytest.param(2, "", True, id="the third end is a crash loop"),
        pytest.param(0, "VerificationFailed", True, id="a failed verification at once"),
        pytest.param(0, "ModelUnsupported", True, id="what cannot be served at once"),
        pytest.param(1, "DownloadFailed", False, id="the network may come back"),
        pytest.param(5, "RateLimited", False, id="the hub asks for patience"),
    ],
)
async def test_what_another_try_does_not_mend_is_given_up(
    operator, cluster, restarts, reason, is_given_up
):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    await fail(operator, old, new, crashing(new, restarts, reason=reason))
    assert (applied(cluster) == old) is is_given_up


async def test_a_missed_deadline_is_given_up(operator, cluster):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    late = condition("Progressing", "False", reason="ProgressDeadlineExceeded")
    play(cluster, replicas=2, updated=1, ready=1, facts=[late])
    cluster.pods[KEY] = [serving(revision=old), homeless(new)]
    await operator.reconcile()
    assert applied(cluster) == old
    assert conditions(cluster)["Progressing"] == ("False", "RolledBack")


async def test_a_first_revision_that_fails_just_explains_itself(operator, cluster):
    await operator.reconcile()
    first = applied(cluster)
    play(cluster, replicas=1, updated=1, ready=0)
    cluster.pods[KEY] = [crashing(first, 5)]
    await operator.reconcile()
    assert (applied(cluster), conditions(cluster)["Ready"]) == (first, ("False", "Crashed"))


async def test_a_revision_that_was_good_once_is_never_given_up(operator, cluster):
    await serve(operator)
    new = await edit(operator, model=OTHER)
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = [serving(revision=new)]
    await operator.reconcile()
    play(cluster, replicas=1, updated=1, ready=0)
    cluster.pods[KEY] = [crashing(new, 9, name="qwen-a")]
    await operator.reconcile()
    assert (applied(cluster), conditions(cluster)["Ready"]) == (new, ("False", "Crashed"))


async def test_pause_stops_where_it_is(cluster, operator):
    cluster.put_model(build_model(update={"onFailure": "pause"}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    await fail(operator, old, new)
    spec = deployment(cluster)["spec"]
    assert (applied(cluster), spec["paused"]) == (new, True)
    assert conditions(cluster)["Progressing"] == ("False", "UpdatePaused")
    assert status(cluster)["phase"] == "Failed"


async def test_an_edit_goes_on_from_a_pause(cluster, operator):
    cluster.put_model(build_model(update={"onFailure": "pause"}))
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    third = await edit(operator, model=THIRD)
    spec = deployment(cluster)["spec"]
    assert (applied(cluster), spec.get("paused")) == (third, None)
    await fail(operator, old, third)
    assert status(cluster)["revision"]["lastGood"] == old


async def test_what_was_given_up_is_not_tried_again_by_a_new_process(operator, cluster):
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = [serving(revision=old)]
    await operator.reconcile()
    cluster.writes.clear()
    again = Operator(cluster)
    await again.reconcile()
    await again.reconcile()
    assert cluster.writes == []


async def test_a_lost_status_is_told_again_from_the_deployment(operator, cluster):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    await fail(operator, old, new)
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = [serving(revision=old)]
    cluster.models[KEY]["status"] = {}
    await Operator(cluster).reconcile()
    told = status(cluster)
    assert (told["revision"]["failed"], told["failure"]["reason"]) == (new, "Crashed")
    assert conditions(cluster)["Ready"] == ("False", "RolledBack")


async def test_another_value_of_the_retry_annotation_tries_again(operator, cluster):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    await fail(operator, old, new)
    cluster.models[KEY]["metadata"]["annotations"] = {f"{NAME}retry": "1"}
    await operator.reconcile()
    again = applied(cluster)
    assert (again in {old, new}, "failed" in status(cluster)["revision"]) == (False, False)
    await fail(operator, old, again)
    assert applied(cluster) == old
    await operator.reconcile()
    assert applied(cluster) == old


async def test_an_edit_while_rolled_back_is_rolled_out(operator, cluster):
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    third = await edit(operator, model=THIRD)
    assert applied(cluster) == third
    await fail(operator, old, third)
    assert applied(cluster) == old


async def test_a_revert_while_rolled_back_is_ready_at_once(operator, cluster):
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = [serving(revision=old)]
    before = deployment(cluster)["spec"]
    await edit(operator)
    assert deployment(cluster)["spec"] == before
    assert conditions(cluster)["Ready"] == ("True", "Serving")
    assert status(cluster)["revision"] == {"current": old, "target": old, "lastGood": old}
    assert "failure" not in status(cluster)


async def test_a_revert_in_mid_rollout_brings_back_the_very_template(cluster):
    old = await serve(Operator(cluster))
    template = deployment(cluster)["spec"]["template"]
    newer = Operator(cluster)  # with another runtime image by now
    newer.reconciler._policy = newer.reconciler._policy.model_copy(
        update={
            "runtime": newer.reconciler._policy.runtime.model_copy(
                update={"image": "example.com/runtime:2"}
            )
        }
    )
    await edit(newer, model=OTHER)
    assert await edit(newer) == old
    assert deployment(cluster)["spec"]["template"] == template


async def test_the_last_good_template_survives_many_edits_in_a_row(operator, cluster):
    old = await serve(operator)
    template = deployment(cluster)["spec"]["template"]
    revisions = [
        await edit(operator, model={"uri": f"oci://registry.example.com/models/qwen:{n}"})
        for n in range(10, 25)
    ]
    assert len(set(revisions)) == 15
    await fail(operator, old, revisions[-1])
    assert deployment(cluster)["spec"]["template"] == template
    outcomes = [entry["outcome"] for entry in status(cluster)["history"]]
    assert outcomes == ["Failed", *["Superseded"] * 4]


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


async def test_a_retry_after_a_pause_starts_new_pods(cluster, operator):
    cluster.put_model(build_model(update={"onFailure": "pause"}))
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    late = condition("Progressing", "False", reason="ProgressDeadlineExceeded")
    play(cluster, replicas=2, updated=1, ready=1, facts=[late])
    cluster.pods[KEY] = [serving(revision=old), crashing(new, 1)]
    await operator.reconcile()
    assert deployment(cluster)["spec"]["paused"] is True
    cluster.models[KEY]["metadata"]["annotations"] = {f"{NAME}retry": "1"}
    await operator.reconcile()
    assert (applied(cluster) in {old, new}, "paused" in deployment(cluster)["spec"]) == (
        False,
        False,
    )


async def test_a_paused_model_that_is_suspended_comes_back_with_the_last_good_one(
    cluster, operator
):
    cluster.put_model(build_model(update={"onFailure": "pause"}))
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    await edit(operator, model=OTHER, suspend=True)
    assert (applied(cluster), "paused" in deployment(cluster)["spec"]) == (old, False)


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


async def test_scaling_while_rolled_back_keeps_it_rolled_back(operator, cluster):
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    await fail(operator, old, new)
    await edit(operator, model=OTHER, scaling={"replicas": 3})
    assert (applied(cluster), deployment(cluster)["spec"]["replicas"]) == (old, 3)
    assert conditions(cluster)["Ready"] == ("False", "RolledBack")


@pytest.mark.parametrize("note", ["last-good", "failed", "rendering", "good"])
@pytest.mark.parametrize(
    "text",
    [
        "{nonsense",
        "{}",
        '{"template": {"metadata": null}, "device": "cpu"}',
        '{"input": "x", "rendering": {"template": {}, "device": ""}}',
    ],
)
async def test_an_edited_annotation_ends_no_operator(operator, cluster, note, text):
    old = await serve(operator)
    await fail(operator, old, await edit(operator, model=OTHER))
    deployment(cluster)["metadata"]["annotations"][f"{NAME}{note}"] = text
    await Operator(cluster).reconcile()
    assert conditions(cluster)["Accepted"] == ("True", "Accepted")


async def test_every_note_is_kept_by_any_pass_that_is_cut_off(operator, cluster):
    """A crash after the rollback and before the status: the next process ends up the same."""
    old = await serve(operator)
    new = await edit(operator, model=OTHER)
    cluster.kill_after = len(cluster.writes) + 1
    with pytest.raises(BaseException, match="Deployment"):
        await fail(operator, old, new)
    cluster.kill_after = None
    await Operator(cluster).reconcile()
    assert conditions(cluster)["Progressing"] == ("False", "RolledBack")
    failed = orjson.loads(deployment(cluster)["metadata"]["annotations"][f"{NAME}failed"])
    assert (failed["revision"], failed["failure"]["reason"]) == (new, "Crashed")
