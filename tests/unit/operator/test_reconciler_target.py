"""What is to be served: a hub's commit or a bucket's digest, the kinds wanted, no pods at all."""

import json

import pytest

from modelyard_api.meta import Reason
from modelyard_operator.errors import Unresolved
from tests.support.fake_cluster import FakeCluster
from tests.support.objects import build_model, build_policy
from tests.support.reconciling import KEY, Operator, conditions, serve, status


@pytest.fixture
def cluster():
    return FakeCluster(build_model())


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


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
    return json.loads(spec["initContainers"][0]["env"][0]["value"]).get("revision", "")


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


BUCKET = {"uri": "s3://models/qwen"}
DIGEST = "3a6eb0790f39ac87" * 4


async def test_a_bucket_is_asked_nothing_and_its_digest_is_as_written(hub_cluster):
    """Nothing of another model's commit stays when a bucket takes its place, or it a hub's."""
    operator = Operator(hub_cluster)
    operator.sources.answers[QUESTION] = COMMIT
    await operator.reconcile()
    operator.sources.wanted.clear()
    fetched = []
    models = ({**BUCKET, "revision": DIGEST}, BUCKET, {**HUB, "revision": NEXT_COMMIT})
    for generation, model in enumerate(models, start=2):
        hub_cluster.put_model(build_model(generation=generation, model=model))
        await operator.reconcile()
        fetched.append(read_fetched(hub_cluster))
    assert (fetched, operator.sources.wanted) == ([DIGEST, "", NEXT_COMMIT], [])


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


async def test_a_name_that_no_bucket_has_is_invalid():
    cluster = FakeCluster(build_model(model={"uri": "s3://10.0.0.7/qwen"}))
    await Operator(cluster).reconcile()
    assert conditions(cluster)["Accepted"] == ("False", "Invalid")
    assert "spec.model.uri: 's3://10.0.0.7/qwen'" in status(cluster)["conditions"][0]["message"]
