"""The story of one object: idempotent, crash-safe, and never on others' objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_api.meta import ANNOTATION_RENDERING
from modelyard_kube.errors import ClusterError
from modelyard_operator.records import Key
from tests.support.fake_cluster import FakeCluster, Killed
from tests.support.objects import NOW, build_model, build_policy
from tests.support.reconciling import KEY, Operator, conditions, serve, status

ALL = ["Deployment", "Service", "NetworkPolicy", "Status"]

#: What every model has, in the order of application.
CHILDREN = ("Deployment", "Service", "NetworkPolicy")


@pytest.fixture
def cluster():
    return FakeCluster(build_model())


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


async def test_a_new_object_gets_its_children_and_one_status(operator, cluster):
    await operator.reconcile()
    assert cluster.writes == ALL
    assert conditions(cluster) == {
        "Accepted": ("True", "Accepted"),
        "Progressing": ("True", "Starting"),
        "Available": ("False", "Starting"),
        "Ready": ("False", "Starting"),
    }


async def test_a_second_pass_writes_nothing(operator, cluster):
    await operator.reconcile()
    cluster.writes.clear()
    await operator.reconcile()
    assert cluster.writes == []


async def test_a_restarted_operator_writes_nothing(operator, cluster):
    await serve(operator)
    cluster.writes.clear()
    again = Operator(cluster)
    await again.reconcile()
    await again.reconcile()
    assert cluster.writes == []


async def test_a_complete_rollout_is_ready_and_told_once(operator, cluster):
    revision = await serve(operator)
    await operator.reconcile()
    assert conditions(cluster)["Ready"] == ("True", "Serving")
    assert status(cluster)["revision"] == {
        "current": revision,
        "target": revision,
        "lastGood": revision,
    }
    assert cluster.notices == [("qwen", "Normal", "Ready")]


async def test_scaling_changes_no_pod_template(operator, cluster):
    await operator.reconcile()
    before = cluster.children["Deployment", KEY]["spec"]["template"]
    cluster.put_model(build_model(generation=2, scaling={"replicas": 3}))
    await operator.reconcile()
    after = cluster.children["Deployment", KEY]["spec"]
    assert (after["replicas"], after["template"]) == (3, before)


async def test_an_edit_of_a_child_is_reverted(operator, cluster):
    await operator.reconcile()
    cluster.edit_child("Deployment", KEY, lambda spec: spec.update(replicas=7))
    await operator.reconcile()
    assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 1


async def test_an_edit_made_while_the_operator_was_away_is_reverted(operator, cluster):
    await operator.reconcile()
    cluster.edit_child("Service", KEY, lambda spec: spec.update(type="NodePort"))
    await Operator(cluster).reconcile()
    assert cluster.children["Service", KEY]["spec"]["type"] == "ClusterIP"


async def test_a_child_is_applied_again_after_a_while_whatever_it_looks_like(cluster):
    operator = Operator(cluster, reapply_seconds=600)
    await operator.reconcile()
    cluster.writes.clear()
    operator.clock += 597
    await operator.reconcile()
    assert cluster.writes == list(CHILDREN)


async def test_an_object_at_rest_is_looked_at_again_when_its_children_are_due(cluster):
    operator = Operator(cluster, reapply_seconds=600)
    assert await operator.reconcile() == 600


async def test_a_deleted_child_comes_back(operator, cluster):
    await operator.reconcile()
    del cluster.children["Service", KEY]
    await operator.reconcile()
    assert ("Service", KEY) in cluster.children


async def test_a_child_that_lost_our_labels_is_taken_back(operator, cluster):
    """The watch does not see it any more; it is still ours, and keeps its rendering."""
    await operator.reconcile()
    template = cluster.children["Deployment", KEY]["spec"]["template"]
    cluster.hidden.add(("Deployment", KEY))
    upgraded = Operator(cluster, policy=build_policy("runtime: {image: example.com/runtime:2}"))
    await upgraded.reconcile()
    assert cluster.find_child("Deployment", KEY) is not None
    assert cluster.children["Deployment", KEY]["spec"]["template"] == template


async def test_an_upgrade_of_the_platform_changes_no_pod_template(operator, cluster):
    await serve(operator)
    template = cluster.children["Deployment", KEY]["spec"]["template"]
    cluster.writes.clear()
    policy = build_policy(
        "runtime: {image: example.com/runtime:2}\ndefaults: {cpu: '1', memory: 2Gi}"
    )
    await Operator(cluster, policy=policy).reconcile()
    assert cluster.children["Deployment", KEY]["spec"]["template"] == template
    assert cluster.writes == []


async def test_a_change_of_the_model_takes_the_new_platform(operator, cluster):
    await operator.reconcile()
    upgraded = Operator(cluster, policy=build_policy("runtime: {image: example.com/runtime:2}"))
    cluster.put_model(build_model(generation=2, model={"uri": "oci://r.example.com/other:1"}))
    await upgraded.reconcile()
    spec = cluster.children["Deployment", KEY]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "example.com/runtime:2"


async def test_a_rendering_that_somebody_broke_is_replaced(operator, cluster):
    await operator.reconcile()
    live = cluster.children["Deployment", KEY]["metadata"]
    live["annotations"][ANNOTATION_RENDERING] = "{broken"
    live["managedFields"].append({"manager": "kubectl-edit", "operation": "Update"})
    await operator.reconcile()
    assert (
        "example.com/runtime:1"
        in (cluster.children["Deployment", KEY]["metadata"]["annotations"][ANNOTATION_RENDERING])
    )


@pytest.mark.parametrize("kind", CHILDREN)
async def test_an_object_that_is_not_ours_is_never_touched(operator, cluster, kind):
    cluster.put_child(kind, KEY, spec={"theirs": 1})
    recheck = await operator.reconcile()
    assert cluster.children[kind, KEY]["spec"] == {"theirs": 1}
    assert conditions(cluster)["Accepted"] == ("False", "NameTaken")
    assert f"{kind} qwen" in status(cluster)["conditions"][0]["message"]
    assert (cluster.writes, recheck) == (["Status"], 30)
    assert cluster.notices == [("qwen", "Warning", "NameTaken")]


async def test_a_name_that_becomes_free_is_used(operator, cluster):
    cluster.put_child("Service", KEY, spec={"theirs": 1})
    await operator.reconcile()
    del cluster.children["Service", KEY]
    await operator.reconcile()
    assert conditions(cluster)["Accepted"] == ("True", "Accepted")
    assert "selector" in cluster.children["Service", KEY]["spec"]


async def test_a_child_of_a_deleted_object_of_the_same_name_is_waited_for(operator, cluster):
    cluster.put_child("Deployment", KEY, owner_uid="uid-0", owner_name="qwen", spec={"old": 1})
    recheck = await operator.reconcile()
    assert cluster.children["Deployment", KEY]["spec"] == {"old": 1}
    assert (recheck, cluster.writes) == (5, ["Status"])
    assert conditions(cluster)["Accepted"] == ("True", "Accepted")
    assert "collected" in status(cluster)["conditions"][3]["message"]


async def test_an_object_that_appears_in_between_is_not_overwritten(operator, cluster):
    """It was not there when we looked, and is there when we apply."""
    read = cluster.read_child

    async def read_and_lose(kind, key):
        found = await read(kind, key)
        if kind == "Service" and found is None:
            cluster.put_child("Service", key, spec={"theirs": 1})
        return found

    cluster.read_child = read_and_lose
    with pytest.raises(ClusterError, match="conflict"):
        await operator.reconcile()
    assert cluster.children["Service", KEY]["spec"] == {"theirs": 1}


async def test_a_deleted_object_is_left_alone(operator, cluster):
    body = build_model()
    body["metadata"]["deletionTimestamp"] = NOW
    cluster.put_model(body)
    assert await operator.reconcile() is None
    assert await operator.reconcile(Key("team", "gone")) is None
    assert cluster.writes == []


async def test_a_policy_that_forbids_leaves_what_serves_alone(operator, cluster):
    await serve(operator)
    cluster.writes.clear()
    cluster.put_model(build_model(generation=2, status=status(cluster), scaling={"replicas": 101}))
    await operator.reconcile()
    assert cluster.writes == ["Status"]
    assert conditions(cluster) == {
        "Accepted": ("False", "PolicyForbids"),
        "Progressing": ("False", "NotAccepted"),
        "Available": ("True", "Serving"),
        "Ready": ("False", "PolicyForbids"),
    }
    assert status(cluster)["phase"] == "Invalid"


async def test_a_spec_that_cannot_be_read_is_named_and_not_tried_again(operator, cluster):
    cluster.put_model(build_model(update={"drainTimeout": "soon"}))
    assert await operator.reconcile() is None
    accepted = status(cluster)["conditions"][0]
    assert (accepted["reason"], "spec.update.drainTimeout" in accepted["message"]) == (
        "Invalid",
        True,
    )


async def test_a_child_that_the_server_refuses_is_explained_and_tried_again(operator, cluster):
    cluster.refuse["Deployment"] = ClusterError("exceeded quota", status=403, reason="Forbidden")
    assert await operator.reconcile() == 30
    assert conditions(cluster)["Ready"] == ("False", "ApplyRefused")
    assert status(cluster)["failure"]["message"] == "Deployment qwen: exceeded quota"
    del cluster.refuse["Deployment"]
    await operator.reconcile()
    assert conditions(cluster)["Ready"] == ("False", "Starting")
    assert "failure" not in status(cluster)


async def test_a_webhook_that_does_not_answer_is_explained(operator, cluster):
    words = 'Internal error occurred: failed calling webhook "x.example.com": timeout'
    cluster.refuse["Service"] = ClusterError(words, status=500)
    assert await operator.reconcile() == 30
    message = status(cluster)["failure"]["message"]
    assert message.startswith("The cluster's admission webhook x.example.com must agree to ")
    assert message.endswith(" and gives no usable answer: timeout")


async def test_a_namespace_that_is_going_is_left_in_peace(operator, cluster):
    cluster.refuse["Deployment"] = ClusterError(
        "no", status=403, causes=frozenset({"NamespaceTerminating"})
    )
    assert await operator.reconcile() is None
    assert cluster.writes == []


async def test_a_passing_error_is_the_queues_business(operator, cluster):
    cluster.refuse["Service"] = ClusterError("slow down", status=429, retry_after=3)
    with pytest.raises(ClusterError):
        await operator.reconcile()


async def test_a_ready_pod_is_asked_for_its_report_until_it_is_known(operator):
    await serve(operator)
    await operator.reconcile()
    assert set(operator.reports.wanted) == {(KEY, "qwen-a")}


async def test_changes_of_wording_wait_a_little_and_are_not_lost(operator, cluster):
    await operator.reconcile()
    cluster.children["Deployment", KEY]["status"] = {"replicas": 1, "updatedReplicas": 1}
    cluster.writes.clear()
    assert await operator.reconciler.reconcile(KEY) == 3
    assert cluster.writes == []
    await operator.reconcile()
    assert cluster.writes == ["Status"]


async def test_one_namespaces_object_touches_no_other_namespace(cluster):
    cluster.put_model(build_model(namespace="other", uid="uid-2"))
    await Operator(cluster).reconcile(Key("other", "qwen"))
    assert {key.namespace for _, key in cluster.children} == {"other"}


def edits():
    """A life of the object: specs one after another."""
    spec = st.fixed_dictionaries(
        {
            "model": st.sampled_from(
                [{"uri": "oci://r.example.com/a:1"}, {"uri": "oci://r.example.com/b:1"}]
            ),
            "scaling": st.fixed_dictionaries({"replicas": st.integers(0, 3)}),
        }
    )
    return st.lists(spec, min_size=1, max_size=3)


async def live_through(specs, crash=None):
    """Apply specs one after another; each crash starts a new process. Returns the end state."""
    cluster = FakeCluster()
    operator = Operator(cluster)
    if crash is not None:
        setattr(cluster, *crash)
    for generation, spec in enumerate(specs, start=1):
        known = cluster.models[KEY]["status"] if cluster.models else {}
        cluster.put_model(build_model(generation=generation, status=known, **spec))
        for _ in range(2):
            try:
                await operator.reconcile()
            except Killed:
                cluster.kill_after = cluster.kill_before = None
                operator = Operator(cluster)
    await operator.reconcile()
    specs = {name: body["spec"] for name, body in cluster.children.items()}
    return specs, cluster.models[KEY]["status"], cluster


@given(edits(), st.sampled_from(["kill_after", "kill_before"]), st.integers(0, 8))
async def test_after_a_crash_at_any_write_the_next_process_reaches_the_same_end(
    specs, where, write
):
    expected, expected_status, _ = await live_through(specs)
    children, reached, cluster = await live_through(specs, crash=(where, write))
    assert children == expected
    assert reached == expected_status
    cluster.writes.clear()
    await Operator(cluster).reconcile()
    assert cluster.writes == []
