"""Updates on a real API server with real controllers; kwok plays the pods.

A revision that asks for a node which does not exist waits for ever; what a kubelet would say of its
pod is played. Updates of pods that run are in tests/e2e/test_updates.py.
"""

import json
import uuid
from itertools import pairwise

import pytest

from tests.support.kubectl import MDL, build_kwok_node
from tests.support.objects import NOW
from tests.support.operator_process import POLICY

NOWHERE = {"nodeSelector": {"example.com/nowhere": "yes"}}
REVISION = "modelyard.dev/revision"


def uids(team):
    return {pod["metadata"]["uid"] for pod in team.list("pods")}


def uri(tag):
    return f"oci://registry.example.com/models/qwen:{tag}"


def revision(team):
    return team.status()["revision"]


def start_failing(team, **spec):
    """Begin an update whose pod crashes again and again beside the old one."""
    before = uids(team)
    team.apply(podTemplate=NOWHERE, **spec)
    # The scheduler has its say before the part of the kubelet is played.
    team.wait_condition("Progressing", "False", "Unschedulable")
    fresh = uids(team) - before
    (pod,) = (each for each in team.list("pods") if each["metadata"]["uid"] in fresh)
    ended = {"exitCode": 1, "reason": "Error", "message": "KeyError: 'weights'"}
    container = {
        "name": "runtime",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {**ended, "startedAt": NOW, "finishedAt": NOW}},
    }
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": NOW}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": NOW}
    patch = {"status": {"conditions": [ready, scheduled], "containerStatuses": [container]}}
    name = pod["metadata"]["name"]
    team.kubectl("patch", "pod", name, "--subresource=status", "-p", json.dumps(patch))


def wait_rolled_back(team, pods):
    team.wait_condition("Progressing", "False", "RolledBack")
    team.wait(lambda: uids(team) == pods, "the failed pod is gone, the old one is not")
    team.wait_condition("Available", "True", "Serving")


@pytest.fixture
def served(team):
    """A model that serves, and its pods."""
    team.apply()
    team.wait_ready()
    team.wait_good()
    return uids(team)


def test_a_revision_that_crashes_is_rolled_back_and_told_in_order(team, served):
    good = revision(team)["current"]
    start_failing(team)
    wait_rolled_back(team, served)
    status = team.status()
    assert (status["revision"]["current"], status["revision"]["lastGood"]) == (good, good)
    assert status["revision"]["failed"] == status["revision"]["target"] != good
    assert status["failure"]["reason"] == "Crashed"
    assert status["failure"]["logTail"] == "KeyError: 'weights'"
    assert team.condition("Ready") == ("False", "RolledBack")
    # Events are posted after the status, in the background.
    team.wait(lambda: "RolledBack" in read_story(team), "the last Event")
    story = [reason for reason in read_story(team) if reason != "Unschedulable"]
    assert story == ["Ready", "RollingOut", "Crashed", "RolledBack"]


def read_story(team):
    """Reasons of the model's Events, the oldest first."""
    ours = [event for event in team.list("events") if is_ours(event)]
    return [event["reason"] for event in sorted(ours, key=lambda event: event["eventTime"])]


def test_a_rolled_back_model_is_left_alone_until_somebody_asks_again(team, served):
    start_failing(team)
    wait_rolled_back(team, served)
    team.kubectl("annotate", MDL, "qwen", "modelyard.dev/retry=1")
    team.wait(lambda: "failed" not in revision(team), "it is tried again")
    team.wait(lambda: len(uids(team) - served) == 1, "a pod of the revision starts again")


def test_a_revert_while_rolled_back_is_ready_without_a_new_pod(team, served):
    start_failing(team)
    wait_rolled_back(team, served)
    team.apply()
    team.wait_ready()
    assert uids(team) == served
    assert "failed" not in revision(team)


def test_an_edit_while_rolled_back_goes_out(team, served):
    start_failing(team)
    wait_rolled_back(team, served)
    team.apply(uri=uri("3"))
    team.wait_ready()
    assert not uids(team) & served
    good = team.wait_good()
    assert good["lastGood"] == good["current"]


def test_a_revert_in_mid_rollout_keeps_the_pods_that_serve(team, served):
    team.apply(podTemplate=NOWHERE)
    team.wait_condition("Progressing", "False", "Unschedulable")
    team.apply()
    team.wait_ready()
    team.wait(lambda: uids(team) == served, "the new pod is gone, the old one is not")


@pytest.mark.usefixtures("served")
def test_many_edits_in_a_row_end_with_the_last(team):
    for tag in range(12):
        team.apply(uri=uri(tag), scaling={"replicas": 2})
    team.wait_ready(seconds=90)
    last = team.wait_good()["target"]
    pods = [p for p in team.list("pods") if "deletionTimestamp" not in p["metadata"]]
    assert {pod["metadata"]["labels"][REVISION] for pod in pods} == {last}
    (volume,) = (v for v in pods[0]["spec"]["volumes"] if v["name"] == "model")
    assert volume["image"]["reference"].endswith(":11")


def test_after_many_edits_the_last_good_revision_still_comes_back(team, served):
    for tag in range(12):
        team.apply(uri=uri(tag), podTemplate=NOWHERE)
    start_failing(team)
    wait_rolled_back(team, served)


@pytest.mark.usefixtures("served")
def test_edits_of_others_on_the_deployment_confuse_no_rollback(team):
    team.wait(lambda: has_history_after_edit(team), "the other image is in the history")
    team.kubectl("rollout", "undo", "deployment/qwen")
    team.wait(
        lambda: len(uids(team)) == 1 and team.condition("Ready") == ("True", "Serving"),
        "one pod, and no other",
    )
    start_failing(team)
    team.wait_condition("Progressing", "False", "RolledBack")
    template = team.get("deployment")["spec"]["template"]
    assert template["metadata"]["labels"][REVISION] == revision(team)["lastGood"]
    assert template["spec"]["containers"][0]["image"] != "example.com/somebody:else"
    set_another_image(team)
    team.wait(
        lambda: team.get("deployment")["spec"]["template"] == template,
        "the last good template is back",
    )


def set_another_image(team):
    team.kubectl("set", "image", "deployment/qwen", "runtime=example.com/somebody:else")


def has_history_after_edit(team):
    """Edit until it shows: the operator may take an edit back before Kubernetes has seen it."""
    set_another_image(team)
    return len(team.list("replicasets")) > 1


def test_pause_leaves_the_failed_pod_to_look_at(team, served):
    start_failing(team, update={"onFailure": "pause"})
    team.wait_condition("Progressing", "False", "UpdatePaused")
    assert team.get("deployment")["spec"]["paused"] is True
    assert served < uids(team)
    assert team.condition("Available") == ("True", "Serving")
    team.apply(uri=uri("3"))
    team.wait_ready()


def test_a_restart_by_kubectl_makes_new_pods_of_the_same_revision(team, served):
    before = revision(team)
    team.kubectl("rollout", "restart", "deployment/qwen")
    team.wait(lambda: uids(team) and not uids(team) & served, "new pods")
    team.wait_ready()
    assert revision(team) == before


@pytest.mark.usefixtures("served")
def test_a_deletion_in_mid_rollout_takes_everything_along(team):
    team.apply(podTemplate=NOWHERE)
    team.wait_condition("Progressing", "False", "Unschedulable")
    team.kubectl("delete", MDL, "qwen")
    kinds = ("deployments", "replicasets", "services", "pods")
    team.wait(lambda: not any(team.list(kind) for kind in kinds), "nothing is left")


def test_a_first_revision_that_fails_stays_to_be_mended(team):
    team.apply(podTemplate=NOWHERE)
    team.wait_condition("Ready", "False", "Unschedulable")
    team.apply()
    team.wait_ready()


@pytest.fixture
def one_gpu(control_plane):
    """A node with a single GPU."""
    name = f"gpu-{uuid.uuid4().hex[:6]}"
    node = build_kwok_node(name, **{"nvidia.com/gpu": "1"})
    node["metadata"]["labels"]["example.com/only"] = name
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(node))
    control_plane.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{name}")
    yield {"example.com/only": name}
    control_plane.kubectl("delete", "node", name)


def test_a_pod_without_room_takes_the_place_of_the_old_one(team, one_gpu):
    spec = {
        "resources": {"gpu": {"count": 1}},
        "podTemplate": {"nodeSelector": one_gpu},
        "update": {"surgeTimeout": "1s"},
    }
    team.apply(**spec)
    team.wait_ready()
    before = uids(team)
    team.apply(uri=uri("3"), **spec)
    team.wait_ready()
    assert not uids(team) & before
    team.wait(lambda: "Replacing" in read_story(team), "an Event says so")
    team.wait(
        lambda: team.get("deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 1,
        "the next update tries to surge again",
    )


def is_ours(event):
    return event["involvedObject"]["kind"] == "ModelDeployment"


def test_models_follow_the_platform_one_after_the_other(team, operator):
    # What earlier tests left in namespaces that take their time to go would hold the only place.
    team.cluster.kubectl("delete", MDL, "--all", "--all-namespaces")
    names = ("first", "second", "third")
    for name in names:
        team.apply(name)
    for name in names:
        team.wait_good(name)
    before = uids(team)
    operator.restart(policy=POLICY.replace(":test", ":next") + "rollout: {maxConcurrent: 1}\n")
    try:
        team.wait(lambda: not uids(team) & before, "every pod is a new one", 120)
        for name in names:
            team.wait_ready(name)
    finally:
        operator.restart(policy=POLICY)
    pods = team.list("pods")
    assert {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods} == {"next"}
    # Times are whole seconds: of two that came in the same one, the earlier was ready earlier.
    times = sorted((pod["metadata"]["creationTimestamp"], find_since(pod, "Ready")) for pod in pods)
    for (_, was_ready), (comes, _) in pairwise(times):
        assert was_ready <= comes


def find_since(pod, kind):
    conditions = {each["type"]: each for each in pod["status"]["conditions"]}
    return conditions[kind]["lastTransitionTime"]
