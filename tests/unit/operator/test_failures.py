"""Why a pod does not serve: every way we know of is named, with a hint, and slow is no failure."""

import pytest

from modelyard_operator.failures import describe_failure, explain, find_failure
from tests.support.objects import (
    NOW,
    SANDBOX,
    SCHEDULED,
    UNREADY,
    condition,
    container,
    ended,
    parse,
    pod,
    serving,
    status_of,
    waiting,
)

REPORT = (
    '{"state":"failed","error":{"reason":"ModelNotFound","message":"no model in /model",'
    '"hint":"Check spec.model.uri."}}'
)
STARTED = (SCHEDULED, SANDBOX, UNREADY)
LIMIT = {"memory": "2Gi"}


def crashed(code, reason="Error", message="", *, limits=None, restarts=2, **times):
    """A pod whose container keeps ending."""
    state = waiting("CrashLoopBackOff")
    containers = container(state, ended(code, reason, message, **times), restarts)
    return pod(status=status_of(*STARTED, containers=containers), limits=limits or {})


def stuck(reason, message=""):
    """A pod whose container waits."""
    return pod(status=status_of(*STARTED, containers=container(waiting(reason, message))))


def unscheduled(message):
    fact = condition("PodScheduled", "False", reason="Unschedulable", message=message)
    return pod(status=status_of(fact))


def fetching(status):
    """A pod whose model is being fetched."""
    fetch = [{**entry, "name": "fetch"} for entry in status]
    return pod(
        limits=LIMIT,
        status=status_of(
            *STARTED, containers=container(waiting("PodInitializing")), initContainerStatuses=fetch
        ),
    )


FAILURES = {
    "a download that says why it cannot go on": (
        fetching(container(waiting("CrashLoopBackOff"), ended(78, message=REPORT), 1)),
        ("ModelNotFound", "Check spec.model.uri."),
    ),
    "a download that ends without a word": (
        fetching(container(waiting("CrashLoopBackOff"), ended(1), 1)),
        ("Crashed", "logs qwen-a -c fetch --previous"),
    ),
    "a download that the kernel killed": (
        fetching(container(waiting("CrashLoopBackOff"), ended(137, "OOMKilled"), 1)),
        ("OutOfMemory", "now 2Gi"),
    ),
    "a runtime image that the download cannot have": (
        fetching(container(waiting("ErrImagePull", "example.com/runtime:1: denied"))),
        ("ImagePullFailed", "administrator"),
    ),
    "a crash after the download": (
        pod(
            status=status_of(
                *STARTED,
                containers=container(waiting("CrashLoopBackOff"), ended(1), 1),
                initContainerStatuses=[
                    {"name": "fetch", "state": ended(0, "Completed"), "restartCount": 0}
                ],
            )
        ),
        ("Crashed", "logs qwen-a -c runtime --previous"),
    ),
    "a GPU that no node has": (
        unscheduled("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        ("Unschedulable", "asks for 1 of nvidia.com/gpu:"),
    ),
    "a runtime image that cannot be pulled": (
        stuck("ErrImagePull", 'failed to pull image "example.com/runtime:1": denied'),
        ("ImagePullFailed", "administrator"),
    ),
    "a model image that cannot be pulled": (
        stuck("ErrImagePull", "registry.example.com/models/qwen:2.5: not found"),
        ("ModelImagePullFailed", "Correct spec.model.uri"),
    ),
    "a container that the kubelet cannot configure": (
        stuck("CreateContainerConfigError", "container has runAsNonRoot"),
        ("ContainerRefused", "describe pod qwen-a"),
    ),
    "a container that the node cannot run": (
        stuck("RunContainerError", "exec format error"),
        ("ContainerRefused", "describe pod qwen-a"),
    ),
    "a pod that the node evicted": (
        pod(status=status_of(phase="Failed", reason="Evicted", message="low on resource: memory.")),
        ("ContainerRefused", "Set spec.resources.memory"),
    ),
    "a pod that filled the node's disk": (
        pod(
            status=status_of(
                phase="Failed",
                reason="Evicted",
                message="The node was low on resource: ephemeral-storage.",
            )
        ),
        ("NotEnoughDisk", "free space there"),
    ),
    "a pod that the node rejected for another reason": (
        pod(status=status_of(phase="Failed", reason="UnexpectedAdmissionError", message="no")),
        ("ContainerRefused", "describe pod qwen-a"),
    ),
    "a runtime that says why it cannot start": (
        crashed(78, message=REPORT),
        ("ModelNotFound", "Check spec.model.uri."),
    ),
    "exit code 78 without a report": (
        crashed(78, message="Traceback (most recent call last)"),
        ("Crashed", "logs qwen-a -c runtime --previous"),
    ),
    "the kernel's kill at the memory limit": (
        crashed(137, "OOMKilled", limits=LIMIT),
        ("OutOfMemory", "now 2Gi"),
    ),
    "the kernel's kill without a limit": (
        crashed(137, "OOMKilled"),
        ("OutOfMemory", "now none"),
    ),
    "a kill under a memory limit of which the container runtime did not say why": (
        crashed(137, limits=LIMIT),
        ("OutOfMemory", "now 2Gi"),
    ),
    "a kill without a memory limit": (crashed(137), ("Crashed", "logTail")),
    "the kubelet's kill at the deadline": (
        crashed(137, limits=LIMIT, started=0, finished=1801),
        ("ProgressDeadlineExceeded", "Raise spec.update.progressDeadline"),
    ),
    "a crash": (crashed(1, message="boom"), ("Crashed", "logTail")),
    "a crash a moment ago, before it is started again": (
        pod(status=status_of(*STARTED, containers=container(ended(1)))),
        ("Crashed", "logTail"),
    ),
    "a crash, while the next try is loading": (
        pod(
            status=status_of(
                *STARTED, containers=container({"running": {"startedAt": NOW}}, ended(1), 1)
            )
        ),
        ("Crashed", "logTail"),
    ),
}

NO_FAILURES = {
    "a pod that downloads": fetching(container({"running": {"startedAt": NOW}})),
    "a pod that serves": serving(),
    "a pod that nobody has looked at": pod(),
    "a pod waiting for its node": pod(status=status_of(condition("PodScheduled", "False"))),
    "a pod that pulls": stuck("ContainerCreating"),
    "a pod that loads": pod(
        status=status_of(*STARTED, containers=container({"running": {"startedAt": NOW}}))
    ),
    "a pod that is going": pod(
        leaving=True, status=status_of(*STARTED, containers=container(ended(1)))
    ),
}


@pytest.fixture
def md():
    return parse(resources={"gpu": {"count": 1}}, model={"uri": f"oci://{REFERENCE}"})


REFERENCE = "registry.example.com/models/qwen:2.5"


@pytest.mark.parametrize("sentence", FAILURES)
def test_what_failed_is_named_with_a_hint(md, sentence):
    record, (reason, hint) = FAILURES[sentence]
    cause = explain(md, record)
    assert (cause.reason, hint in cause.hint) == (reason, True), cause


@pytest.mark.parametrize("sentence", NO_FAILURES)
def test_what_is_slow_or_well_has_not_failed(md, sentence):
    assert explain(md, NO_FAILURES[sentence]) is None


def test_a_recovered_pod_has_no_failure(md):
    record = serving()
    assert record.restarts == 0
    status = status_of(
        SCHEDULED, condition("Ready"), containers=container({"running": {}}, ended(1), 4)
    )
    assert explain(md, pod(status=status)) is None


def test_an_image_error_reads_the_same_while_the_kubelet_backs_off(md):
    error = f'failed to pull and unpack image "{REFERENCE}": not found'
    now = stuck("ErrImagePull", error)
    later = stuck(
        "ImagePullBackOff", f'Back-off pulling image "{REFERENCE}": ErrImagePull: {error}'
    )
    assert explain(md, now) == explain(md, later)


def test_pods_of_older_revisions_are_not_blamed(md):
    assert find_failure(md, "r2", [crashed(1)], NOW) is None


EVICTED = pod("gone", status=status_of(phase="Failed", reason="Evicted", message="low"))


def test_an_evicted_pod_is_the_failure_only_until_another_is_in_its_place(md):
    assert find_failure(md, "r1", [EVICTED], NOW).reason == "ContainerRefused"
    assert find_failure(md, "r1", [EVICTED, stuck("ContainerCreating")], NOW) is None


def test_the_failure_tells_the_exit_code_and_the_redacted_end_of_the_log(md):
    log = "x" * 5000 + "\nHF_TOKEN=hf_0123456789abcdefghij\nlast line\x07"
    failure = find_failure(md, "r1", [crashed(3, message=log[-4000:])], NOW)
    assert failure.exit_code == 3
    assert failure.log_tail.endswith("x\nHF_TOKEN=***\nlast line")
    assert len(failure.log_tail) == 2000


def test_the_same_failure_keeps_its_pod_and_time(md):
    pods = [crashed(1), serving("qwen-b")]
    first = find_failure(md, "r1", pods, NOW)
    known = md.model_copy(update={"status": md.status.model_copy(update={"failure": first})})
    assert find_failure(known, "r1", pods, "2026-11-22T11:00:00Z") == first


def test_another_failure_has_a_time_of_its_own(md):
    first = find_failure(md, "r1", [crashed(1)], NOW)
    known = md.model_copy(update={"status": md.status.model_copy(update={"failure": first})})
    later = find_failure(known, "r1", [crashed(78, message=REPORT)], "2026-11-22T11:00:00Z")
    assert (later.reason, later.at) == ("ModelNotFound", "2026-11-22T11:00:00Z")


def test_a_failure_reads_as_sentences(md):
    failure = find_failure(md, "r1", [crashed(78, message=REPORT)], NOW)
    assert describe_failure(failure) == "no model in /model. Check spec.model.uri."
