"""A LoRA adapter comes from a folder of a bucket, with the keys of its own Secret."""

from tests.support.fetch_process import run


def test_an_adapter_beside_a_model(scene):
    scene.put("sql/adapter_config.json", b"{}")
    scene.put("sql/adapter_model.safetensors", bytes(1000))
    scene.put("sql/optimizer.pt", b"a pickle")
    scene.add_secret()
    outcome = run(scene.config(uri=f"{scene.uri}/sql", adapter="sql"), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert {path.name: path.read_bytes() for path in scene.place.model.iterdir()} == {
        "adapter_config.json": b"{}",
        "adapter_model.safetensors": bytes(1000),
    }


def test_missing_keys_are_the_adapters(scene):
    scene.place.secret.mkdir()
    outcome = run(scene.config(adapter="sql"), room=scene.room)
    assert (outcome.code, scene.proxy.requests) == (78, [])
    assert outcome.error[:2] == (
        "Unauthorized",
        (
            "The adapter 'sql' cannot be served: The Secret that "
            "spec.model.adapters[sql].secretRef names does not exist in this namespace, or is empty"
        ),
    )
