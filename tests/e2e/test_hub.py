"""hf://: pods that download their model, from a hub that listens on the bridge."""

import base64
import json

import pytest

from tests.e2e.conftest import changing_values
from tests.support.hub_server import HubServer
from tests.support.kubectl import MDL
from tests.support.tiny_models import write_model
from tests.support.waiting import wait_for

REPOSITORY = "acme/tiny"
TOKEN = "hf_of-the-test"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small model's folder."""
    return write_model(tmp_path_factory.mktemp("tiny"), "LlamaForCausalLM")


@pytest.fixture(scope="module")
def hub(installed, tiny):
    """A hub that pods and operator reach, with one repository; the platform's mirror."""
    with HubServer(host=installed.gateway_address) as hub, changing_values(installed) as change:
        hub.commit = hub.publish(REPOSITORY, tiny)
        change(f"policy.huggingFace.endpoint={hub.endpoint}")
        yield hub


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


@pytest.mark.parametrize(
    ("uri", "revision", "reason"),
    [
        pytest.param("hf://acme/none", "", "Unauthorized", id="a repository that is not there"),
        pytest.param(f"hf://{REPOSITORY}", "v9", "ModelNotFound", id="a branch that is not there"),
        pytest.param(f"hf://{REPOSITORY}/x.gguf", "", "ModelNotFound", id="a file that is not"),
        pytest.param(f"hf://{REPOSITORY}", "0" * 40, "ModelNotFound", id="a commit that is not"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_have_is_named(namespace, uri, revision, reason):
    apply(namespace, "wrong", uri=uri, revision=revision)
    failure = wait_failure(namespace, "wrong", reason)
    assert uri.removeprefix("hf://").split("/")[1] in failure["message"]
    assert failure["hint"]


@pytest.mark.usefixtures("hub")
def test_a_secret_that_is_missing_is_named(namespace, hub):
    apply(
        namespace,
        "private",
        uri=f"hf://{REPOSITORY}",
        revision=hub.commit,
        secretRef={"name": "not-made-yet"},
    )
    failure = wait_failure(namespace, "private", "Unauthorized")
    assert "The Secret that spec.model.secretRef names does not exist" in failure["message"]
