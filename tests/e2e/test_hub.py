"""hf://: pods that download their model, from a hub that listens on the bridge."""

import json

import pytest

from tests.support.kubectl import MDL

REPOSITORY = "acme/tiny"
TOKEN = "hf_of-the-test"


@pytest.fixture
def private_hub(hub, tiny):
    """The hub with one more repository that only the token's owner reads."""
    hub.private_commit = hub.publish("acme/private", tiny)
    hub.protect("acme/private", TOKEN)
    return hub


def test_a_branch_is_resolved_downloaded_and_served(namespace, hub):
    namespace.apply_model("tiny", uri=f"hf://{REPOSITORY}")
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
    namespace.apply_model("moving", uri="hf://acme/moving")
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
    namespace.apply_model("moving", uri="hf://acme/moving", revision=second)
    namespace.wait_ready("moving")
    assert namespace.status("moving")["model"]["resolvedRevision"] == second


def test_a_private_repository_needs_its_commit_and_a_token_of_that_host(namespace, private_hub):
    hub = private_hub
    namespace.apply_model("private", uri="hf://acme/private")
    failure = namespace.wait_failure("private", "Unauthorized")
    assert "give its commit" in failure["hint"]

    namespace.put_secret("token", {"token": TOKEN})
    reference = {"secretRef": {"name": "token"}, "revision": hub.private_commit}
    namespace.apply_model("private", uri="hf://acme/private", **reference)
    assert hub.host in namespace.wait_failure("private", "SecretHostMismatch")["message"]

    namespace.put_secret("token", {"token": TOKEN, "host": hub.host})
    namespace.kubectl("delete", "pods", "-l", "modelyard.dev/model=private", "--wait=false")
    namespace.wait_ready("private")
