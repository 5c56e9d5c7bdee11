"""LoRA adapters of a model: what is refused, what becomes of branches, and whose failures they are.

What pods look like is tests/golden/adapters.
"""

import json

import pytest

from modelyard_api.meta import Reason
from modelyard_api.report import RuntimeReport, encode_termination_message
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.rendering import render
from modelyard_operator.errors import Refused, Unresolved
from modelyard_operator.facts import gather_facts
from modelyard_operator.failures.exits import explain_crash
from modelyard_operator.failures.pulling import explain_pull
from modelyard_operator.observed import Observed
from modelyard_operator.validation import find_violations
from tests.support.fake_cluster import FakeCluster
from tests.support.objects import (
    SANDBOX,
    SCHEDULED,
    URI,
    build_model,
    build_policy,
    container,
    ended,
    parse,
    pod,
    serving,
    status_of,
    waiting,
)
from tests.support.reconciling import KEY, Operator, conditions, serve, status

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SQL = {"name": "sql", "uri": "hf://acme/sql"}
POEMS = {"name": "poems", "uri": "hf://acme/poems", "revision": "v2"}


def model(*adapters, **more):
    return {"uri": URI, "adapters": list(adapters), **more}


def render_revision(*adapters, **commits):
    return render(parse(model=model(*adapters)), build_policy(), Commits("", commits)).revision


def read_downloads(cluster):
    """Uri and revision of each download, by the adapter's name."""
    spec = cluster.children["Deployment", KEY]["spec"]["template"]["spec"]
    configs = [
        json.loads(container["env"][0]["value"]) for container in spec.get("initContainers", ())
    ]
    return {one.get("adapter", ""): (one["uri"], one.get("revision")) for one in configs}


def test_each_source_must_be_allowed():
    policy = build_policy("runtime: {image: x}\nallowedSources: ['oci://', 'hf://acme']")
    other = {"name": "other", "uri": "hf://evil/acme"}
    bucket = {"name": "bucket", "uri": "s3://acme/x"}
    assert find_violations(parse(model=model(SQL)).spec, policy) == ()
    assert find_violations(parse(model=model(SQL, other, bucket)).spec, policy) == (
        (
            "spec.model.adapters[other].uri: hf://evil/acme is not under an allowed source, and "
            "spec.model.adapters[bucket].uri: s3://acme/x is not under an allowed source "
            "(oci://, hf://acme)"
        ),
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            model({"name": "qwen", "uri": "hf://acme/sql"}),
            "spec.model.adapters[qwen].name: the model itself is called so, and clients could not "
            "tell them apart; rename the adapter, or set spec.model.name",
            id="the object's name",
        ),
        pytest.param(
            model({"name": "a", "uri": "hf://acme/sql"}, name="a"),
            "spec.model.adapters[a].name: the model itself is called so, and clients could not "
            "tell them apart; rename the adapter, or set spec.model.name",
            id="the model's name",
        ),
        pytest.param(
            model({"name": "a", "uri": "hf://acme/sql..x"}),
            "spec.model.adapters[a].uri: 'hf://acme/sql..x' is not hf://ORG/NAME or "
            "hf://ORG/NAME/FILE-OR-FOLDER, for example hf://Qwen/Qwen2.5-0.5B-Instruct",
            id="no repository",
        ),
        pytest.param(
            model({"name": "a", "uri": "s3://b..d/sql"}),
            "spec.model.adapters[a].uri: 's3://b..d/sql' is not s3://BUCKET or "
            "s3://BUCKET/FOLDER-OR-FILE, for example s3://models/qwen2.5-0.5b",
            id="no bucket",
        ),
    ],
)
def test_what_cannot_be_meant_is_invalid(given, said):
    with pytest.raises(Refused) as caught:
        parse(model=given)
    assert (caught.value.reason, str(caught.value)) == (Reason.INVALID, said)


def test_their_order_makes_no_revision_and_every_other_change_does():
    both = {"sql": COMMIT, "poems": COMMIT}
    first = render_revision(SQL, POEMS, **both)
    assert render_revision(POEMS, SQL, **both) == first
    others = {
        render_revision(SQL, sql=COMMIT),
        render_revision(SQL, POEMS, **(both | {"sql": COMMIT[::-1]})),
        render_revision(SQL | {"secretRef": {"name": "t"}}, POEMS, **both),
        render_revision(SQL | {"name": "sql2"}, POEMS, sql2=COMMIT, poems=COMMIT),
        first,
    }
    assert len(others) == 5


async def test_branches_become_commits_before_anything_is_made():
    cluster = FakeCluster(build_model(model=model(SQL, POEMS)))
    operator = Operator(cluster)
    await operator.reconcile()
    assert cluster.writes == ["Status"]
    assert operator.sources.wanted == [(KEY, "acme/sql", ""), (KEY, "acme/poems", "v2")]
    assert (
        "which commit main of the adapter 'sql', v2 of the adapter 'poems' is"
        in status(cluster)["conditions"][1]["message"]
    )
    operator.sources.answers["acme/sql", ""] = COMMIT
    await operator.reconcile()
    assert "Deployment" not in cluster.writes
    operator.sources.answers["acme/poems", "v2"] = COMMIT[::-1]
    await operator.reconcile()
    assert read_downloads(cluster) == {
        "sql": ("hf://acme/sql", COMMIT),
        "poems": ("hf://acme/poems", COMMIT[::-1]),
    }


async def test_a_branch_stays_where_it_was_when_another_adapter_comes():
    cluster = FakeCluster(build_model(model=model(SQL)))
    operator = Operator(cluster)
    operator.sources.answers["acme/sql", ""] = COMMIT
    first = await serve(operator)
    operator.sources.answers["acme/sql", ""] = COMMIT[::-1]
    operator.sources.answers["acme/poems", "v2"] = COMMIT[::-1]
    cluster.put_model(build_model(model=model(SQL, POEMS), generation=2))
    await operator.reconcile()
    assert read_downloads(cluster) == {
        "sql": ("hf://acme/sql", COMMIT),
        "poems": ("hf://acme/poems", COMMIT[::-1]),
    }
    assert status(cluster)["revision"]["target"] != first


async def test_an_adapter_that_the_hub_does_not_show_is_named():
    cluster = FakeCluster(build_model(model=model(SQL)))
    operator = Operator(cluster)
    operator.sources.answers["acme/sql", ""] = Unresolved(
        Reason.UNAUTHORIZED, "It is private.", "Correct spec.model.uri."
    )
    await operator.reconcile()
    assert conditions(cluster)["Ready"] == ("False", "Unauthorized")
    failure = status(cluster)["failure"]
    assert (failure["message"], failure["hint"]) == (
        "The adapter 'sql': It is private.",
        "Correct spec.model.adapters[sql].uri.",
    )


async def test_a_refusal_stands_while_what_else_was_asked_for_grows_old():
    cluster = FakeCluster(build_model(model={"uri": "hf://acme/base", "adapters": [SQL]}))
    operator = Operator(cluster)
    operator.sources.answers["acme/sql", ""] = Unresolved(
        Reason.UNAUTHORIZED, "It is private.", "Correct spec.model.uri."
    )
    for known in (COMMIT, None):
        operator.sources.answers["acme/base", ""] = known
        await operator.reconcile()
        assert conditions(cluster)["Ready"] == ("False", "Unauthorized")
    assert {source for _, source, _ in operator.sources.wanted} == {"acme/sql"}


FETCHED = {
    "name": "fetch",
    "state": {"terminated": {"exitCode": 0, "startedAt": None, "finishedAt": None}},
}


def fetching(*containers):
    return pod(status=status_of(SCHEDULED, SANDBOX, initContainerStatuses=list(containers)))


def test_the_download_that_is_at_work_is_the_one_spoken_of():
    crash = {
        "name": "fetch-adapter-0",
        "state": waiting("CrashLoopBackOff"),
        "lastState": ended(1, message="Traceback (most recent call last):\n  x\nOSError: full"),
        "restartCount": 3,
    }
    later = {"name": "fetch-adapter-1", "state": waiting("PodInitializing")}
    record = fetching(FETCHED, crash, later)
    assert (record.is_fetching, record.fetcher, record.restarts) == (True, "fetch-adapter-0", 3)
    cause = explain_crash(parse(model=model(SQL)), record)
    assert cause.message == "The download of an adapter ended with exit code 1: OSError: full."
    assert cause.hint.endswith("logs qwen-a -c fetch-adapter-0 --previous")


def test_when_all_are_there_the_runtime_is_spoken_of():
    done = {**FETCHED, "name": "fetch-adapter-0"}
    record = fetching(FETCHED, done)
    assert (record.is_fetching, record.fetcher) == (False, "fetch")
    assert {name: end.code for name, end in record.downloads.items()} == {
        "fetch": 0,
        "fetch-adapter-0": 0,
    }


def downloaded(name, began, revision):
    report = RuntimeReport(state="done", download={"resolvedRevision": revision})
    text = encode_termination_message(report)
    return {"name": name, "state": ended(0, "Completed", text, began, began + 4)}


def test_what_each_download_brought_and_how_long_they_took():
    """The second of three adapters came as an image."""
    digest = "d" * 64
    record = serving(
        downloads=[
            downloaded("fetch", 5, digest),
            downloaded("fetch-adapter-0", 9, COMMIT),
            downloaded("fetch-adapter-2", 14, "e" * 64),
        ]
    )
    names = ["law", "poems", "sql"]
    report = RuntimeReport(state="ready", adapters=names)
    observed = Observed(pods=(record,), reports={record.uid: report})
    facts = gather_facts(parse(), "r1", "", observed)
    assert facts.model.resolved_revision == digest
    assert [one.dump() for one in facts.model.adapters] == [
        {"name": "law", "resolvedRevision": COMMIT},
        {"name": "poems"},
        {"name": "sql", "resolvedRevision": "e" * 64},
    ]
    assert (facts.startup.image_pull, facts.startup.download) == ("2.0s", "13.0s")


def test_an_image_that_is_not_there_is_the_adapters():
    poems = {"name": "poems", "uri": f"{URI}-poems"}
    reference = poems["uri"].removeprefix("oci://")
    said = f'failed to pull image "{reference}": {reference}: not found'
    record = pod(status=status_of(containers=container(waiting("ErrImagePull", said))))
    cause = explain_pull(parse(model=model(poems)), record)
    assert (cause.reason, cause.message.partition(":")[0]) == (
        Reason.MODEL_IMAGE_PULL_FAILED,
        "The image of the adapter 'poems', registry.example.com/models/qwen",
    )
    assert cause.hint.startswith("Correct spec.model.adapters[poems].uri, or push the image.")
