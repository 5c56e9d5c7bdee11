"""A model comes from the hub onto the volume, and the runtime loads it."""

import json

import pytest

from modelyard_api.report import ReportedDownload, RuntimeReport, State
from tests.support import tiny_models
from tests.support.fetch_process import run


def read_tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")


async def test_a_fetched_model_is_loaded_and_generates(scene, tmp_path):
    folder = tiny_models.write_model(tmp_path / "llama", "LlamaForCausalLM")
    write_files(folder, "pytorch_model.bin", "modeling.py", "README.md", ".gitattributes")
    commit = scene.hub.publish("acme/llama", folder)
    config = scene.config(uri="hf://acme/llama", revision=commit)
    outcome = run(config, room=scene.room)
    assert outcome.code == 0, outcome.log
    fetched = read_tree(scene.place.model)
    left_out = {"pytorch_model.bin", "modeling.py", "README.md", ".gitattributes"}
    assert fetched == {
        name: content for name, content in read_tree(folder).items() if name not in left_out
    }
    async with tiny_models.running(scene.place.model) as engine:
        (text,) = await tiny_models.generate(engine, "t5 t6 t7", max_tokens=5)
    async with tiny_models.running(folder) as engine:
        assert await tiny_models.generate(engine, "t5 t6 t7", max_tokens=5) == [text]


def test_it_tells_what_it_did_and_a_second_start_needs_no_network(scene):
    size = len(scene.tiny.content("model.safetensors")) + len(scene.tiny.content("config.json"))
    first = run(scene.config(), room=scene.room)
    assert first.code == 0, first.log
    assert first.report == RuntimeReport(
        state=State.DONE,
        download=ReportedDownload(
            bytes=size,
            seconds=first.report.download.seconds,
            resolved_revision=scene.tiny.commit,
        ),
    )
    assert 0 < first.report.download.seconds < 60
    assert sorted(path.name for path in scene.place.volume.iterdir()) == [
        "lock",
        "model",
        "model.json",
    ]
    assert json.loads((scene.place.volume / "model.json").read_text()) == {
        "version": 1,
        "uri": scene.tiny.uri,
        "revision": scene.tiny.commit,
        "files": [
            {"name": "config.json", "size": len(scene.tiny.content("config.json"))},
            {"name": "model.safetensors", "size": len(scene.tiny.content("model.safetensors"))},
        ],
    }
    scene.hub.requests.clear()
    second = run(scene.config(), room=scene.room)
    assert (second.code, scene.hub.requests) == (0, [])
    assert second.report == RuntimeReport(
        state=State.DONE,
        download=ReportedDownload(bytes=0, seconds=0.0, resolved_revision=scene.tiny.commit),
    )


def test_a_model_on_the_volume_that_was_hurt_is_fetched_again(scene):
    run(scene.config(), room=scene.room)
    (scene.place.model / "model.safetensors").write_bytes(b"short")
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert (scene.place.model / "model.safetensors").read_bytes() == scene.tiny.content(
        "model.safetensors"
    )


def test_another_commit_replaces_the_model(scene):
    run(scene.config(), room=scene.room)
    (scene.tiny.folder / "config.json").unlink()
    write_files(scene.tiny.folder, "config.json", "vocab.txt")
    commit = scene.hub.publish("acme/tiny", scene.tiny.folder)
    outcome = run(scene.config(revision=commit), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert sorted(read_tree(scene.place.model)) == ["config.json", "model.safetensors", "vocab.txt"]
    assert sorted(path.name for path in scene.place.volume.iterdir()) == [
        "lock",
        "model",
        "model.json",
    ]


PARTS = [
    pytest.param(
        "hf://acme/parts/8 bit/größe",
        {
            "config.json": "8 bit/größe/config.json",
            "model.safetensors": "8 bit/größe/model.safetensors",
            "vocab é%20?#.txt": "8 bit/größe/vocab é%20?#.txt",
        },
        id="a folder becomes the root, and names may have any letters",
    ),
    pytest.param(
        "hf://acme/parts/gguf/tiny-q4_0.gguf",
        {"tiny-q4_0.gguf": "gguf/tiny-q4_0.gguf"},
        id="a file is all that is fetched",
    ),
]


@pytest.mark.parametrize(("uri", "expected"), PARTS)
def test_a_part_of_a_repository_is_fetched(scene, tmp_path, uri, expected):
    folder = tmp_path / "parts"
    write_files(
        folder, *expected.values(), "config.json", "model.safetensors", "gguf/tiny-q8_0.gguf"
    )
    commit = scene.hub.publish("acme/parts", folder)
    outcome = run(scene.config(uri=uri, revision=commit), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert read_tree(scene.place.model) == {
        target: (folder / name).read_bytes() for target, name in expected.items()
    }
