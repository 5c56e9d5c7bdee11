"""A token goes to the one host that it is for, and nowhere else."""

from tests.support.fetch_process import run

TOKEN = "hf_" + "s3cr3t" * 5


def test_a_private_model_is_fetched_and_storage_never_sees_the_token(scene):
    scene.hub.protect("acme/tiny", TOKEN)
    scene.place.add_secret(token=f"{TOKEN}\n", host=scene.hub.host)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert {(one.server, one.token) for one in scene.hub.requests} == {
        ("hub", TOKEN),
        ("storage", ""),
    }
    assert len(scene.hub.bodies("model.safetensors")) == 1
    written = [path.read_bytes() for path in scene.place.volume.rglob("*") if path.is_file()]
    assert TOKEN.encode() not in b"".join(written)
    assert TOKEN not in outcome.log + outcome.output + str(outcome.report)
    assert "s1gned" not in outcome.log


def test_a_failing_storage_does_not_make_the_log_tell_signed_addresses(scene):
    scene.place.add_secret(token=TOKEN, host=scene.hub.host)
    scene.hub.fail("model.safetensors", at="storage", status=500, times=100)
    outcome = run(scene.config(patience_seconds=1), room=scene.room)
    assert outcome.code == 78
    assert "s1gned" not in outcome.log
    assert TOKEN not in outcome.log
    assert {one.token for one in scene.hub.requests if one.server == "storage"} == {""}


def test_a_token_for_another_host_is_refused_before_any_request(scene):
    scene.place.add_secret(token=TOKEN)
    outcome = run(scene.config(), room=scene.room)
    assert (outcome.code, scene.hub.requests) == (78, [])
    assert outcome.error == (
        "SecretHostMismatch",
        (
            "The Secret's token is for huggingface.co, and the model would come from "
            f"{scene.hub.host}; nothing was sent"
        ),
        (
            f"If the token is meant for {scene.hub.host}, say so in the Secret: its key 'host' "
            f"must be {scene.hub.host}."
        ),
    )


def test_nothing_of_the_machine_is_used_or_told(scene):
    home = scene.place.root / "home"
    (home / ".cache" / "huggingface").mkdir(parents=True)
    (home / ".cache" / "huggingface" / "token").write_text(TOKEN)
    (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {TOKEN}")
    before = sorted(home.rglob("*"))
    variables = {
        "HOME": str(home),
        "HF_TOKEN": TOKEN,
        "HUGGING_FACE_HUB_TOKEN": TOKEN,
        "HF_ENDPOINT": "http://127.0.0.1:1",
        "HF_HUB_OFFLINE": "1",
        "HF_DEBUG": "1",
    }
    outcome = run(scene.config(), room=scene.room, variables=variables)
    assert outcome.code == 0, outcome.log
    assert "authorization" not in {key for one in scene.hub.requests for key in one.headers}
    agents = {one.headers["user-agent"].partition(";")[0] for one in scene.hub.requests}
    assert agents == {"modelyard/fetch"}
    assert not any("torch" in one.headers["user-agent"] for one in scene.hub.requests)
    assert sorted(home.rglob("*")) == before
