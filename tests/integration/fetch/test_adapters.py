"""A LoRA adapter comes from a hub as a model does, and its faults say that they are its own."""

import os

import pytest

from tests.support.fetch_process import run

NAMES = ["adapter_config.json", "adapter_model.safetensors"]


@pytest.fixture
def adapter(scene):
    """Publish one; return what fetches it."""
    folder = scene.room / "sql"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(os.urandom(100_000))
    (folder / "training_args.bin").write_bytes(b"a pickle")
    commit = scene.hub.publish("acme/sql", folder)
    return scene.config(uri="hf://acme/sql", revision=commit, adapter="sql"), folder


def test_it_is_fetched_without_what_nobody_opens(scene, adapter):
    config, folder = adapter
    outcome = run(config, room=scene.room)
    assert outcome.code == 0, outcome.log
    assert sorted(path.name for path in scene.place.model.iterdir()) == NAMES
    for name in NAMES:
        assert (scene.place.model / name).read_bytes() == (folder / name).read_bytes()


def test_a_token_for_another_host_is_not_sent_for_an_adapter_either(scene, adapter):
    scene.place.add_secret(token="hf_" + "s3cr3t" * 5)
    outcome = run(adapter[0], room=scene.room)
    assert (outcome.code, scene.hub.requests) == (78, [])
    reason, message, _ = outcome.error
    assert (reason, message) == (
        "SecretHostMismatch",
        (
            "The adapter 'sql' cannot be served: The Secret's token is for huggingface.co, and the "
            f"model would come from {scene.hub.host}; nothing was sent"
        ),
    )


def test_a_fault_names_the_adapter_and_its_own_field(scene):
    outcome = run(scene.config(adapter="sql"), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "ModelNotFound",
        (
            "The adapter 'sql' cannot be served: hf://acme/tiny is no LoRA adapter: it has no "
            "adapter_config.json; there are config.json, model.safetensors, pytorch_model.bin"
        ),
        (
            "Name a repository, bucket or folder with adapter_config.json and "
            "adapter_model.safetensors in spec.model.adapters[sql].uri."
        ),
    )
