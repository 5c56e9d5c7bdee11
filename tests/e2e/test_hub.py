"""hf://: pods that download their model, from a hub that listens on the bridge."""

import json

import httpx
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from modelyard_local import services
from tests.support.kubectl import MDL
from tests.support.lora_adapters import LAYERS, write_adapter, write_merged

REPOSITORY = "acme/tiny"
TOKEN = "hf_of-the-test"
PROMPT = "t7 t5 t3"


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


def continue_text(folder):
    """What transformers itself says after the prompt."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    model = AutoModelForCausalLM.from_pretrained(folder)
    made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_length=11)
    return tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)


def test_an_adapter_is_downloaded_too_and_answers_by_its_name(namespace, hub, tiny, tmp_path):
    adapter = write_adapter(tmp_path / "sql", tiny)
    commit = hub.publish("acme/tiny-sql", adapter)
    adapters = [{"name": "sql", "uri": "hf://acme/tiny-sql"}]
    namespace.apply_model("tiny", uri=f"hf://{REPOSITORY}", adapters=adapters)
    namespace.wait_ready("tiny")
    model = namespace.status("tiny")["model"]
    assert model["adapters"] == [{"name": "sql", "resolvedRevision": commit}]
    assert model["resolvedRevision"] == hub.commit

    merged = write_merged(tmp_path / "merged", tiny, adapter, dict.fromkeys(LAYERS, 8 / 4))
    expected = {"tiny": continue_text(tiny), "sql": continue_text(merged)}
    body = {"prompt": PROMPT, "max_tokens": 8, "temperature": 0}
    with (
        services.service_url(namespace.cluster, namespace.name, "tiny") as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        answers = {
            name: client.post("/v1/completions", json={"model": name, **body}).json()
            for name in expected
        }
    assert {name: told["choices"][0]["text"].strip() for name, told in answers.items()} == expected


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
