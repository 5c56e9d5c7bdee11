"""What becomes of a revision, step by step: the reconciler over a cluster in memory."""

import orjson
import pytest

from tests.support.fake_cluster import FakeCluster
from tests.support.objects import (
    build_model,
    condition,
    serving,
)
from tests.support.reconciling import KEY, Operator, conditions, serve, status
from tests.support.rollouts import (
    NAME,
    OTHER,
    THIRD,
    applied,
    crashing,
    deployment,
    edit,
    fail,
    homeless,
    notes,
    play,
)


@pytest.fixture
def cluster():
    return FakeCluster(build_model(update={"surgeTimeout": "60s"}))


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


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
