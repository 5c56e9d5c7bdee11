"""What a pod on its way is doing, since when, and until when it may."""

import pytest

from modelyard_operator.startup import describe_progress
from tests.support.objects import (
    SANDBOX,
    SCHEDULED,
    UNREADY,
    at,
    condition,
    container,
    pod,
    serving,
    status_of,
    waiting,
)


def running(since):
    return {"running": {"startedAt": at(since)}}


def fetching(since, name="fetch"):
    fetch = [{**entry, "name": name} for entry in container(running(since))]
    status = status_of(
        SCHEDULED,
        SANDBOX,
        UNREADY,
        containers=container(waiting("PodInitializing")),
        initContainerStatuses=fetch,
    )
    return pod(status=status)


def loading(name, since):
    return pod(
        name, status=status_of(SCHEDULED, SANDBOX, UNREADY, containers=container(running(since)))
    )


STAGES = {
    "a pod that the scheduler has not seen": (pod(), f"waiting for a node since {at(0)}"),
    "a pod with a node": (
        pod(status=status_of(SCHEDULED)),
        f"waiting for its volumes and network since {at(1)}",
    ),
    "a pod that pulls": (
        pod(status=status_of(SCHEDULED, SANDBOX)),
        f"pulling images since {at(3)}",
    ),
    "a pod that downloads": (fetching(5), f"downloading the model since {at(5)}"),
    "a pod that downloads an adapter": (
        fetching(5, "fetch-adapter-1"),
        f"downloading an adapter since {at(5)}",
    ),
    "a pod that loads": (loading("qwen-a", 9), f"loading the model since {at(9)}"),
}


@pytest.mark.parametrize("sentence", STAGES)
def test_the_step_is_told_with_its_beginning(sentence):
    record, told = STAGES[sentence]
    assert describe_progress([record], "r1") == told


def test_a_deadline_is_told_with_it():
    told = describe_progress([loading("qwen-a", 9)], "r1", deadline_seconds=1800)
    assert told == (
        f"loading the model since {at(9)}, for which it has until {at(1800)} "
        "(spec.update.progressDeadline)"
    )


def test_of_several_pods_the_furthest_and_of_those_the_first_is_told():
    pods = [fetching(2), loading("qwen-b", 20), loading("qwen-c", 12), serving("qwen-d")]
    assert describe_progress(pods, "r1") == f"loading the model since {at(12)}"


def test_pods_of_other_revisions_and_those_that_go_do_not_count():
    old = pod(revision="r0", status=status_of(condition("PodScheduled")))
    assert describe_progress([old, pod("qwen-x", leaving=True)], "r1") == "waiting for its pod"
