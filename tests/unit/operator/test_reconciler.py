"""The story of one object: idempotent, crash-safe, and never on others' objects."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_api.meta import ANNOTATION_RENDERING, Reason
from modelyard_kube.errors import ClusterError
from modelyard_operator.applying import Applier
from modelyard_operator.desired import KINDS
from modelyard_operator.errors import Unresolved
from modelyard_operator.reconciler import Reconciler
from modelyard_operator.records import Key
from tests.support.fake_cluster import FakeCluster, FakeReports, FakeSources, Killed
from tests.support.objects import NOW, build_model, build_policy, serving

KEY = Key("team", "qwen")
ALL = ["Deployment", "Service", "NetworkPolicy", "Status"]


class Operator:
    """One process of the operator over a cluster; a new one knows nothing of the last."""

    def __init__(self, cluster, policy=None, reapply_seconds=3600):
        self.cluster = cluster
        self.reports = FakeReports()
        self.sources = FakeSources()
        self.clock = 1000.0
        self.date = NOW
        applier = Applier(
            cluster, now=self.time, random=lambda: 1.0, reapply_seconds=reapply_seconds
        )
        self.reconciler = Reconciler(
            cluster,
            self.reports,
            self.sources,
            applier,
            policy or build_policy(),
            now=self.time,
            today=lambda: datetime.fromisoformat(self.date).astimezone(UTC),
        )

    def time(self):
        return self.clock

    async def reconcile(self, key=KEY):
        """One pass, more than the pace after the last."""
        self.clock += 4
        return await self.reconciler.reconcile(key)


@pytest.fixture
def cluster():
    return FakeCluster(build_model())


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


def conditions(cluster, key=KEY):
    return {c["type"]: (c["status"], c["reason"]) for c in status(cluster, key)["conditions"]}


def status(cluster, key=KEY):
    return cluster.models[key]["status"]


async def serve(operator):
    """Bring the model up."""
    await operator.reconcile()
    revision = status(operator.cluster)["revision"]["target"]
    operator.cluster.finish_rollout(KEY)
    operator.cluster.pods[KEY] = [serving(revision=revision)]
    await operator.reconcile()
    return revision


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
    assert status(cluster)["revision"] == {"current": revision, "target": revision}
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
    assert cluster.writes == list(KINDS)


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


@pytest.mark.parametrize("kind", KINDS)
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
    assert words in status(cluster)["failure"]["message"]


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


HUB = {"uri": "hf://Qwen/Qwen2.5-0.5B-Instruct", "revision": "main"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEXT_COMMIT = COMMIT[::-1]
QUESTION = ("Qwen/Qwen2.5-0.5B-Instruct", "main")


@pytest.fixture
def hub_cluster():
    """A model of a hub's repository."""
    return FakeCluster(build_model(model=HUB))


def read_fetched(cluster):
    """The commit that the pods are to fetch."""
    spec = cluster.children["Deployment", KEY]["spec"]["template"]["spec"]
    return json.loads(spec["initContainers"][0]["env"][0]["value"])["revision"]


async def test_nothing_is_made_until_the_hub_has_named_the_commit(hub_cluster):
    operator = Operator(hub_cluster)
    recheck = await operator.reconcile()
    assert (hub_cluster.writes, recheck) == (["Status"], 5.0)
    assert operator.sources.wanted == [(KEY, *QUESTION)]
    assert conditions(hub_cluster)["Progressing"] == ("True", "Starting")
    assert "which commit main is" in status(hub_cluster)["conditions"][1]["message"]

    operator.sources.answers[QUESTION] = COMMIT
    await operator.reconcile()
    assert read_fetched(hub_cluster) == COMMIT
    assert status(hub_cluster)["model"] == {"resolvedRevision": COMMIT}


async def test_a_commit_needs_no_answer(hub_cluster):
    hub_cluster.put_model(build_model(model={**HUB, "revision": COMMIT}))
    operator = Operator(hub_cluster)
    await operator.reconcile()
    assert (read_fetched(hub_cluster), operator.sources.wanted) == (COMMIT, [])


async def test_a_branch_stays_at_its_commit_whatever_else_changes(hub_cluster):
    operator = Operator(hub_cluster)
    operator.sources.answers[QUESTION] = COMMIT
    await operator.reconcile()
    again = Operator(hub_cluster)
    again.sources.answers[QUESTION] = NEXT_COMMIT
    hub_cluster.put_model(build_model(generation=2, model=HUB, resources={"memory": "2Gi"}))
    await again.reconcile()
    spec = hub_cluster.children["Deployment", KEY]["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "2Gi"}
    assert read_fetched(hub_cluster) == COMMIT


async def test_another_branch_is_asked_for_while_the_old_pods_serve(hub_cluster):
    operator = Operator(hub_cluster)
    operator.sources.answers[QUESTION] = COMMIT
    await serve(operator)
    hub_cluster.put_model(
        build_model(generation=2, model={**HUB, "revision": "dev"}, status=status(hub_cluster))
    )
    await operator.reconcile()
    assert read_fetched(hub_cluster) == COMMIT
    assert conditions(hub_cluster)["Available"] == ("True", "Serving")
    assert conditions(hub_cluster)["Ready"] == ("False", "RollingOut")


async def test_a_hub_that_does_not_answer_is_named_and_asked_again(hub_cluster):
    operator = Operator(hub_cluster)
    operator.sources.answers[QUESTION] = Unresolved(
        Reason.SOURCE_UNREACHABLE, "hub.example.com did not answer.", "It is asked again."
    )
    assert await operator.reconcile() == 5.0
    assert conditions(hub_cluster)["Ready"] == ("False", "SourceUnreachable")
    assert status(hub_cluster)["failure"]["message"] == "hub.example.com did not answer."
    assert hub_cluster.writes == ["Status"]


async def test_a_child_that_the_policy_does_not_want_any_more_goes(operator, cluster):
    await operator.reconcile()
    cluster.writes.clear()
    policy = build_policy("runtime: {image: x}\nnetworkPolicy: {enabled: false}")
    await Operator(cluster, policy=policy).reconcile()
    assert cluster.writes == ["NetworkPolicy"]
    assert ("NetworkPolicy", KEY) not in cluster.children


async def test_a_strangers_object_of_a_kind_that_is_not_wanted_stays(cluster):
    cluster.put_child("NetworkPolicy", KEY, spec={"theirs": 1})
    policy = build_policy("runtime: {image: x}\nnetworkPolicy: {enabled: false}")
    await Operator(cluster, policy=policy).reconcile()
    assert cluster.children["NetworkPolicy", KEY]["spec"] == {"theirs": 1}


async def test_a_suspended_model_keeps_everything_but_its_pods(operator, cluster):
    await serve(operator)
    cluster.put_model(
        build_model(generation=2, suspend=True, scaling={"replicas": 3}, status=status(cluster))
    )
    before = cluster.children["Deployment", KEY]["spec"]["template"]
    await operator.reconcile()
    cluster.finish_rollout(KEY)
    cluster.pods[KEY] = []
    await operator.reconcile()
    assert cluster.children["Deployment", KEY]["spec"]["replicas"] == 0
    assert cluster.children["Deployment", KEY]["spec"]["template"] == before
    assert {reason for _, reason in conditions(cluster).values()} == {"Accepted", "Suspended"}


async def test_phases_are_counted_from_what_was_looked_at(operator, cluster):
    assert list(operator.reconciler.phases) == []
    await serve(operator)
    assert list(operator.reconciler.phases) == ["Ready"]
    another = Operator(cluster)
    another.cluster.writes.clear()
    await another.reconcile()
    assert (list(another.reconciler.phases), cluster.writes) == (["Ready"], [])
    del cluster.models[KEY]
    await another.reconcile()
    assert list(another.reconciler.phases) == []


async def test_a_name_that_no_hub_takes_is_invalid():
    """One that was stored before the schema knew better, say."""
    cluster = FakeCluster(build_model(model={"uri": "hf://acme/tiny.git"}))
    await Operator(cluster).reconcile()
    assert conditions(cluster)["Accepted"] == ("False", "Invalid")
    assert "spec.model.uri: 'hf://acme/tiny.git'" in status(cluster)["conditions"][0]["message"]
