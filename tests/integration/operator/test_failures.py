"""What goes wrong is named on the object, on a real API server."""

import json

import pytest

from tests.support.objects import NOW


def test_a_spec_that_the_policy_forbids_makes_nothing(team):
    team.apply(scaling={"replicas": 101})
    team.wait_condition("Accepted", "False", "PolicyForbids")
    assert (team.list("deployments"), team.list("services")) == ([], [])
    assert team.status()["phase"] == "Invalid"
    team.apply(scaling={"replicas": 1})
    team.wait_ready()


def test_a_gpu_that_no_node_has_is_named(team):
    team.apply(resources={"gpu": {"count": 2}})
    team.wait_condition("Ready", "False", "Unschedulable")
    failure = team.status()["failure"]
    assert "too few nvidia.com/gpu free" in failure["message"]
    assert "Each pod asks for 2 of nvidia.com/gpu" in failure["hint"]
    assert team.status()["device"] == {"requested": "cuda"}
    team.apply()
    team.wait_ready()
    assert "failure" not in team.status()


PLACES = {
    "memory that no node has": (
        {"resources": {"memory": "900Ti"}},
        "too little memory free",
        "Lower spec.resources.memory (now 900Ti)",
    ),
    "CPU that no node has": (
        {"resources": {"cpu": "90000"}},
        "too little CPU free",
        "Lower spec.resources.cpu (now 90000)",
    ),
    "labels that no node has": (
        {"podTemplate": {"nodeSelector": {"disk": "none"}}},
        "not the labels that the pod wants (disk=none)",
        "Correct spec.podTemplate.nodeSelector",
    ),
}


@pytest.mark.parametrize("sentence", PLACES)
def test_a_pod_without_a_place_is_told_what_nodes_lack(team, sentence):
    spec, lack, hint = PLACES[sentence]
    team.apply(**spec)
    team.wait_condition("Ready", "False", "Unschedulable")
    failure = team.status()["failure"]
    nodes = len(team.list("nodes"))
    assert failure["message"].startswith(f"0 of {nodes} nodes can take the pod: ")
    assert lack in failure["message"]
    assert hint in failure["hint"]


@pytest.fixture
def tainted(node, control_plane):
    """The node with a taint, for one test."""
    control_plane.kubectl("taint", "node", node, "dedicated=large:NoSchedule")
    yield
    control_plane.kubectl("taint", "node", node, "dedicated:NoSchedule-")


@pytest.mark.usefixtures("tainted")
def test_a_taint_that_is_not_tolerated_is_named(team):
    team.apply()
    team.wait_condition("Ready", "False", "Unschedulable")
    failure = team.status()["failure"]
    assert "which the pod does not tolerate" in failure["message"]
    assert "spec.podTemplate.tolerations" in failure["hint"]


def set_pod_status(team, **container):
    """Play the kubelet: the pod is not ready, for that reason."""
    pod = team.list("pods")[0]["metadata"]["name"]
    patch = {
        "status": {
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": NOW}],
            "containerStatuses": [
                {
                    "name": "runtime",
                    "image": "x",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 2,
                    **container,
                }
            ],
        }
    }
    team.kubectl("patch", "pod", pod, "--subresource=status", "-p", json.dumps(patch))
    return pod


def test_a_pod_killed_for_memory_is_explained(team):
    team.apply(resources={"memory": "1Gi"})
    team.wait_ready()
    times = {"startedAt": NOW, "finishedAt": NOW}
    pod = set_pod_status(
        team,
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        lastState={
            "terminated": {
                "exitCode": 137,
                "reason": "OOMKilled",
                "message": "loading\nHF_TOKEN=hf_0123456789abcdefghij\x00\x07",
                **times,
            }
        },
    )
    team.wait_condition("Ready", "False", "OutOfMemory")
    failure = team.status()["failure"]
    assert (failure["pod"], failure["exitCode"]) == (pod, 137)
    assert "memory limit of 1Gi" in failure["message"]
    assert failure["logTail"] == "loading\nHF_TOKEN=***"
    assert team.condition("Available") == ("False", "OutOfMemory")


def test_a_model_image_that_cannot_be_pulled_is_explained(team):
    team.apply()
    team.wait_ready()
    error = 'failed to pull image "registry.example.com/models/qwen:2.5": not found'
    set_pod_status(team, state={"waiting": {"reason": "ErrImagePull", "message": error}})
    team.wait_condition("Ready", "False", "ModelImagePullFailed")
    failure = team.status()["failure"]
    assert failure["message"] == (
        "The model's image registry.example.com/models/qwen:2.5 cannot be pulled: the registry has "
        "no such image (not found)."
    )
    assert failure["hint"].startswith("Correct spec.model.uri")


def test_a_crash_loop_is_one_event_however_often_it_ends(team):
    """The kubelet tells of each restart; people are told once."""
    team.apply()
    team.wait_ready()
    for restarts in range(1, 6):
        set_pod_status(
            team,
            restartCount=restarts,
            state={"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {restarts}"}},
            lastState={
                "terminated": {
                    "exitCode": 1,
                    "reason": "Error",
                    "message": "x\n  y\nValueError: no",
                    "startedAt": NOW,
                    "finishedAt": f"2026-11-22T10:00:0{restarts}Z",
                }
            },
        )
        team.wait_condition("Ready", "False", "Crashed")

    def find_told():
        return [event for event in find_events(team) if event["reason"] == "Crashed"]

    team.wait(find_told, "the Event")
    told = find_told()
    assert [event["message"].partition(".")[0] for event in told] == [
        "The runtime ended with exit code 1 while it loaded the model: ValueError: no"
    ]


def test_describe_tells_what_happened_in_order(team):
    team.apply()
    team.wait_ready()
    team.apply(resources={"memory": "2Gi"})
    team.wait_ready()
    team.apply(resources={"memory": "900Ti"})
    team.wait_condition("Ready", "False", "Unschedulable")
    team.apply(resources={"memory": "3Gi"})
    team.wait_ready()
    # Events are posted after the status, in the background.
    team.wait(lambda: len(read_story(team)) >= len(STORY), "the last Event")
    assert read_story(team) == STORY


STORY = [
    "Ready",
    "RollingOut",
    "Ready",
    "RollingOut",
    "Unschedulable",
    "RollingOut",
    "Ready",
]


def read_story(team):
    """Reasons of the Events that kubectl describe shows, in its order."""
    described = team.kubectl("describe", "mdl", "qwen")
    events = described[described.index("Events:") :].splitlines()[3:]
    return [line.split()[1] for line in events]


def find_events(team):
    """Events of the model, as kubectl lists them."""
    field = "involvedObject.kind=ModelDeployment"
    return json.loads(team.kubectl("get", "events", "--field-selector", field, "-o", "json"))[
        "items"
    ]
