"""The status: what must hold whatever the cluster looks like. Whole cases are in tests/golden."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_api.meta import Condition
from modelyard_api.report import RuntimeReport
from modelyard_api.v1alpha1 import Revision
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.errors import ChildRefused
from modelyard_operator.observed import Observed
from modelyard_operator.parsing import parse_status
from modelyard_operator.projection import project_deployment
from modelyard_operator.status import dump_status, is_urgent, summarise
from tests.support.objects import (
    NOW,
    build_model,
    condition,
    parse,
    pod,
    rendering,
    serving,
    target,
)

LATER = "2026-11-22T11:00:00Z"


def deployment(generation=1, observed=1, *, wanted=1, replicas=1, updated=1, ready=1, facts=()):
    return project_deployment(
        {
            "metadata": {
                "name": "qwen",
                "namespace": "team",
                "uid": "d",
                "resourceVersion": "1",
                "generation": generation,
            },
            "spec": {"replicas": wanted},
            "status": {
                "observedGeneration": observed,
                "replicas": replicas,
                "updatedReplicas": updated,
                "readyReplicas": ready,
                "conditions": list(facts),
            },
        }
    )


def conditions(status):
    return {known.type: (known.status, known.reason) for known in status.conditions}


COUNTS = st.integers(0, 3)


@given(
    counts=st.fixed_dictionaries(
        {"wanted": COUNTS, "replicas": COUNTS, "updated": COUNTS, "ready": COUNTS}
    ),
    wanted=COUNTS,
    observed=st.integers(1, 3),
    refused=st.sampled_from([None, ChildRefused("no")]),
    facts=st.sampled_from(
        [(), (condition("Progressing", "False", reason="ProgressDeadlineExceeded"),)]
    ),
)
def test_ready_is_true_only_when_all_wanted_pods_are_of_the_target_and_ready(
    counts, wanted, observed, refused, facts
):
    child = deployment(2, observed, facts=facts, **counts)
    md = parse(scaling={"replicas": wanted})
    status = summarise(md, target("r1"), Observed(deployment=child), NOW, obstructed=refused)

    is_complete = set(counts.values()) == {wanted} and observed >= 2
    assert (conditions(status)["Ready"][0] == "True") == (
        is_complete and wanted > 0 and not refused
    )
    assert (conditions(status)["Available"][0] == "True") == (counts["ready"] > 0)
    assert [known.type for known in status.conditions] == list(Condition)
    assert {known.observed_generation for known in status.conditions} == {1}
    assert all(known.reason and known.message for known in status.conditions)
    assert (status.failure is None) or conditions(status)["Ready"][0] == "False"


@given(COUNTS, COUNTS)
def test_a_status_that_was_written_is_read_back_the_same(wanted, ready):
    md = parse(scaling={"replicas": wanted})
    observed = Observed(deployment=deployment(ready=ready), pods=(serving(revision="r1"),))
    status = summarise(md, target("r1"), observed, NOW)
    assert parse_status({"status": dump_status(status)}) == status


def test_a_second_look_at_the_same_world_is_the_same_status():
    observed = Observed(deployment=deployment(), pods=(serving(),))
    first = summarise(parse(), target("r1"), observed, NOW)
    again = parse(status=dump_status(first))
    assert summarise(again, target("r1"), observed, LATER) == first


def test_a_condition_keeps_its_time_until_its_status_turns():
    starting = summarise(parse(), target("r1"), Observed(deployment=deployment(ready=0)), NOW)
    md = parse(status=dump_status(starting))
    ready = summarise(md, target("r1"), Observed(deployment=deployment(), pods=(serving(),)), LATER)
    times = {known.type: known.last_transition_time for known in ready.conditions}
    assert times == {"Accepted": NOW, "Progressing": LATER, "Available": LATER, "Ready": LATER}


def test_a_deployment_that_has_not_seen_our_change_tells_nothing_of_it():
    facts = [condition("Progressing", "False", reason="ProgressDeadlineExceeded")]
    child = deployment(generation=2, observed=1, ready=0, facts=facts)
    status = summarise(parse(), target("r1"), Observed(deployment=child), NOW)
    assert (status.failure, conditions(status)["Ready"]) == (None, ("False", "Starting"))


REPORT = RuntimeReport.model_validate(
    {
        "state": "ready",
        "task": "embeddings",
        "format": "gguf",
        "device": {"actual": "cuda:0 NVIDIA H100", "dtype": "bfloat16"},
        "sizeBytes": 5,
        "startup": {"load": 9.44, "warmup": 0.2},
        "optimization": {
            "steps": "int8",
            "agreement": 0.98,
            "examples": 12,
            "before": {"sizeBytes": 20, "milliseconds": 3.5},
            "after": {"sizeBytes": 5, "milliseconds": 2.5},
        },
    }
)


@pytest.fixture
def reported():
    """The status of a model whose pod has reported."""
    observed = Observed(
        deployment=deployment(), pods=(serving(),), reports={"uid-of-qwen-a": REPORT}
    )
    return summarise(parse(), target("r1"), observed, NOW)


def test_what_was_done_to_the_model_is_told(reported):
    assert reported.model.optimization == REPORT.optimization


def test_what_the_runtime_reports_is_told(reported):
    assert (reported.task, reported.model.format, reported.device.actual) == (
        "embeddings",
        "gguf",
        "cuda:0 NVIDIA H100",
    )
    assert reported.startup.model_dump() == {
        "scheduled": "1.0s",
        "image_pull": "4.0s",
        "download": "",
        "load": "9.4s",
        "warmup": "0.2s",
        "total": "12.0s",
    }


def test_what_was_reported_is_remembered_after_a_restart(reported):
    md = parse(status=dump_status(reported))
    status = summarise(
        md, target("r1"), Observed(deployment=deployment(), pods=(serving(),)), LATER
    )
    assert status == reported


def test_another_pods_start_is_not_given_the_first_ones_times(reported):
    md = parse(status=dump_status(reported))
    pods = (serving(), serving("qwen-b", ready=30))
    status = summarise(md, target("r1"), Observed(deployment=deployment(), pods=pods), LATER)
    assert (status.startup.total, status.startup.load) == ("30.0s", "")
    assert status.device.actual == "cuda:0 NVIDIA H100"


def test_what_another_revision_reported_is_forgotten(reported):
    md = parse(generation=2, status=dump_status(reported))
    pods = (serving(revision="r2"),)
    status = summarise(md, target("r2"), Observed(deployment=deployment(), pods=pods), LATER)
    assert (status.task, status.device.actual, status.model.format) == ("", "", "")
    assert (status.revision.current, status.revision.target) == ("r2", "r2")


def test_while_old_pods_serve_the_old_revision_is_current(reported):
    md = parse(generation=2, status=dump_status(reported))
    pods = (serving(), serving("qwen-b", revision="r2"))
    child = deployment(wanted=1, replicas=2, updated=1, ready=2)
    status = summarise(md, target("r2"), Observed(deployment=child, pods=pods), LATER)
    assert status.revision == Revision(current="r1", target="r2")
    assert status.device.actual == "cuda:0 NVIDIA H100"
    assert conditions(status)["Ready"] == ("False", "RollingOut")


STEPS = {
    "a node": (pod(), "waiting for a node"),
    "its model": (
        replace(serving(), facts=(), running_since=serving().created),
        "loading the model",
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_slow_start_says_what_it_waits_for(step):
    record, words = STEPS[step]
    observed = Observed(deployment=deployment(ready=0), pods=(record,))
    status = summarise(parse(), target("r1"), observed, NOW)
    assert words in {c.type: c.message for c in status.conditions}["Ready"]


def test_a_change_of_wording_is_not_urgent_and_one_of_readiness_is():
    first = summarise(parse(), target("r1"), Observed(deployment=deployment(ready=0)), NOW)
    moved = Observed(deployment=deployment(ready=0, updated=0), pods=(pod(),))
    reworded = summarise(parse(status=dump_status(first)), target("r1"), moved, LATER)
    ready = summarise(parse(), target("r1"), Observed(deployment=deployment()), LATER)
    assert reworded != first
    assert not is_urgent(first, reworded)
    assert is_urgent(first, ready)


def test_a_status_of_another_release_counts_as_none():
    assert parse_status({"status": {"conditions": "none"}}) == parse_status({})
    assert parse_status(build_model(status={"unknown": 1})) == parse_status({})


def serving_on(device, asked="cuda"):
    """The status of a model that is ready, by the device that its pod reports."""
    ledger = Ledger("input", rendering("r1", device=asked))
    report = RuntimeReport(state="ready", device={"actual": device, "dtype": "float32"})
    observed = Observed(
        deployment=deployment(), pods=(serving(),), reports={"uid-of-qwen-a": report}
    )
    return summarise(parse(), ledger, observed, NOW)


def verdicts(status):
    return {c.type: (c.status, c.reason) for c in status.conditions}


def test_pods_on_another_device_than_the_profiles_are_not_available():
    status = serving_on("cpu")
    assert verdicts(status) == {
        "Accepted": ("True", "Accepted"),
        "Progressing": ("False", "DeviceMismatch"),
        "Available": ("False", "DeviceMismatch"),
        "Ready": ("False", "DeviceMismatch"),
    }
    assert status.failure.message == "The pods compute on cpu, but the GPU profile is for cuda."


@pytest.mark.parametrize(
    ("device", "asked"),
    [
        pytest.param("cuda:0 NVIDIA H100", "cuda", id="the GPU, with its name"),
        pytest.param("", "cuda", id="not reported yet"),
        pytest.param("cpu", "cpu", id="a profile for CPUs"),
    ],
)
def test_pods_on_the_profiles_device_are_ready(device, asked):
    assert verdicts(serving_on(device, asked))["Ready"] == ("True", "Serving")


def test_a_note_of_our_own_on_the_deployment_makes_no_served_model_updating():
    """It counts as a new generation, which the Deployment's controller has not seen yet."""
    observed = Observed(deployment=deployment(2, 1), pods=(serving(),))
    assert verdicts(summarise(parse(), target("r1"), observed, NOW))["Ready"] == (
        "True",
        "Serving",
    )


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param((serving(revision="r0"),), id="of another revision"),
        pytest.param((serving(), serving("qwen-b", revision="r0")), id="and one too many"),
        pytest.param((), id="none heard of yet"),
    ],
)
def test_counts_of_an_older_generation_prove_nothing_by_themselves(pods):
    observed = Observed(deployment=deployment(2, 1), pods=pods)
    assert verdicts(summarise(parse(), target("r1"), observed, NOW))["Ready"][0] == "False"


def test_while_the_hub_is_asked_for_the_commit_what_was_good_and_failed_stays_told():
    revision = {"current": "r1", "target": "r2", "lastGood": "r1", "failed": "r2"}
    md = parse(status={"revision": revision})
    status = summarise(md, None, Observed(deployment=deployment(), pods=(serving(),)), NOW)
    assert status.revision == Revision(current="r1", target="r2", last_good="r1", failed="r2")
