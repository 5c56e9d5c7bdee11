"""hf://: pods that download their model, from a hub that listens on the bridge."""

import base64
import json

import pytest

from tests.support.kubectl import MDL
from tests.support.waiting import wait_for

REPOSITORY = "acme/tiny"
TOKEN = "hf_of-the-test"


@pytest.fixture
def private_hub(hub, tiny):
    """The hub with one more repository that only the token's owner reads."""
    hub.private_commit = hub.publish("acme/private", tiny)
    hub.protect("acme/private", TOKEN)
    return hub


def apply(namespace, name, **model):
    body = {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"model": model, "resources": {"cpu": "100m"}},
    }
    namespace.kubectl("apply", "-f", "-", input=json.dumps(body))


def put_secret(namespace, name, **data):
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
    namespace.kubectl("apply", "-f", "-", input=json.dumps(body))


def wait_failure(namespace, name, reason):
    wait_for(
        lambda: namespace.status(name).get("failure", {}).get("reason") == reason,
        what=f"{name} fails with {reason}",
        seconds=60,
        told=lambda: namespace.describe(name),
    )
    return namespace.status(name)["failure"]


def test_a_branch_is_resolved_downloaded_and_served(namespace, hub):
    apply(namespace, "tiny", uri=f"hf://{REPOSITORY}")
    namespace.wait_ready("tiny")
    status = namespace.status("tiny")
    assert status["model"]["resolvedRevision"] == hub.commit
    assert status["task"] == "text-generation"
    assert set(status["startup"]) >= {"scheduled", "download", "load", "warmup", "total"}
    template = namespace.get("deployment", "tiny")["spec"]["template"]["spec"]
    fetched = json.loads(template["initContainers"][0]["env"][0]["value"])
    assert (fetched["revision"], fetched["endpoint"]) == (hub.commit, hub.endpoint)


def test_a_branch_that_moves_on_changes_nothing_until_it_is_asked_for(
    namespace, hub, tiny, tmp_path
):
    first = hub.publish("acme/moving", tiny)
    apply(namespace, "moving", uri="hf://acme/moving")
    namespace.wait_ready("moving")
    newer = tmp_path / "newer"
    newer.mkdir()
    for path in tiny.iterdir():
        (newer / path.name).write_bytes(path.read_bytes())
    (newer / "README.md").write_text("Newer.")
    second = hub.publish("acme/moving", newer)
    assert second != first
    namespace.kubectl(
        "patch", MDL, "moving", "--type=merge", "-p", '{"spec":{"update":{"drainTimeout":"1s"}}}'
    )
    namespace.wait_ready("moving")
    assert namespace.status("moving")["model"]["resolvedRevision"] == first
    apply(namespace, "moving", uri="hf://acme/moving", revision=second)
    namespace.wait_ready("moving")
    assert namespace.status("moving")["model"]["resolvedRevision"] == second


def test_a_private_repository_needs_its_commit_and_a_token_of_that_host(namespace, private_hub):
    hub = private_hub
    apply(namespace, "private", uri="hf://acme/private")
    failure = wait_failure(namespace, "private", "Unauthorized")
    assert "give its commit" in failure["hint"]

    put_secret(namespace, "token", token=TOKEN)
    reference = {"secretRef": {"name": "token"}, "revision": hub.private_commit}
    apply(namespace, "private", uri="hf://acme/private", **reference)
    assert hub.host in wait_failure(namespace, "private", "SecretHostMismatch")["message"]

    put_secret(namespace, "token", token=TOKEN, host=hub.host)
    namespace.kubectl("delete", "pods", "-l", "modelyard.dev/model=private", "--wait=false")
    namespace.wait_ready("private")
