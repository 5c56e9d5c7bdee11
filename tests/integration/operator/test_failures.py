"""What goes wrong is named on the object, on a real API server."""

import json

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
    team.wait_condition("Ready", "False", "Unschedulable", seconds=30)
    failure = team.status()["failure"]
    assert "Insufficient nvidia.com/gpu" in failure["message"]
    assert "asks for 2 of nvidia.com/gpu" in failure["hint"]
    assert team.status()["device"] == {"requested": "cuda"}
    team.apply()
    team.wait_ready()
    assert "failure" not in team.status()


def test_a_quota_is_named_in_the_servers_words(team):
    team.kubectl("create", "quota", "small", "--hard=requests.memory=512Mi")
    team.apply()
    team.wait_condition("Ready", "False", "ApplyRefused", seconds=30)
    assert "exceeded quota: small" in team.status()["failure"]["message"]
    team.kubectl("delete", "quota", "small")
    team.apply(scaling={"replicas": 2})
    team.wait_ready(seconds=90)


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
    team.wait_condition("Ready", "False", "OutOfMemory", seconds=30)
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
    team.wait_condition("Ready", "False", "ModelImagePullFailed", seconds=30)
    assert team.status()["failure"]["message"] == error
