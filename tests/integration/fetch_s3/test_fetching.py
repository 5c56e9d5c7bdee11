"""A model comes from a bucket onto the volume."""

import json
import subprocess

import pytest

from modelyard_api.fetch import S3Settings
from modelyard_api.report import ReportedDownload, RuntimeReport, State, decode_report
from tests.support.fetch_process import run

WEIGHTS = "model.safetensors"


def read_tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_model_is_fetched_told_of_and_not_fetched_twice(scene):
    scene.add_secret()
    first = run(scene.config(), room=scene.room)
    assert first.code == 0, first.log
    wanted = {name: scene.content(name) for name in ("config.json", WEIGHTS)}
    assert read_tree(scene.place.model) == wanted
    download = first.report.download
    assert first.report == RuntimeReport(
        state=State.DONE,
        download=ReportedDownload(
            bytes=sum(map(len, wanted.values())),
            seconds=download.seconds,
            resolved_revision=download.resolved_revision,
        ),
    )
    assert json.loads((scene.place.volume / "model.json").read_text()) == {
        "version": 1,
        "uri": scene.uri,
        "revision": download.resolved_revision,
        "files": [{"name": name, "size": len(wanted[name])} for name in sorted(wanted)],
    }
    scene.proxy.requests.clear()
    scene.put("config.json", b"another one, which is for other pods")
    second = run(scene.config(), room=scene.room)
    assert (second.code, scene.proxy.requests) == (0, [])
    assert second.report.download == ReportedDownload(
        bytes=0, seconds=0.0, resolved_revision=download.resolved_revision
    )
    assert read_tree(scene.place.model) == wanted


def test_the_revision_is_that_of_what_is_there_and_can_be_asked_for(scene):
    """By the recipe in the docs, with the tools of a shell."""
    scene.add_secret()
    entries = {name: scene.server.describe(scene.bucket, f"llm/tiny/{name}") for name in (
        "config.json", WEIGHTS, "pytorch_model.bin"
    )}  # fmt: skip
    lines = "".join(f"llm/tiny/{name}\t{size}\t{etag}\n" for name, (size, etag) in entries.items())
    hashed = subprocess.run(
        ["sh", "-c", "LC_ALL=C sort | sha256sum"],
        input=lines,
        text=True,
        capture_output=True,
        check=True,
    )
    digest = hashed.stdout.partition(" ")[0]
    resolved = run(scene.config(), "--resolve", room=scene.room)
    assert resolved.code == 0, resolved.log
    assert decode_report(resolved.output).download.resolved_revision == digest
    outcome = run(scene.config(revision=digest), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert outcome.report.download.resolved_revision == digest


def test_a_bucket_that_is_open_to_everybody_needs_no_secret(scene):
    scene.server.open_to_everybody(scene.bucket)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert read_tree(scene.place.model).keys() == {"config.json", WEIGHTS}
    assert not any("authorization" in one.headers for one in scene.proxy.requests)


def test_a_secret_of_ones_own_server_leads_there(scene):
    scene.add_secret(endpoint=scene.proxy.endpoint, region="us-east-1", host="")
    outcome = run(scene.config(s3=S3Settings()), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.content(WEIGHTS)


PARTS = [
    pytest.param(
        "/llm/tiny/q4/größe 2.gguf", {"größe 2.gguf"}, id="a GGUF file is all that is fetched"
    ),
    pytest.param(
        "/llm/tiny/model.safetensors",
        {"model.safetensors", "config.json"},
        id="a safetensors file comes with what is beside it",
    ),
    pytest.param("/llm/tiny/q4", {"größe 2.gguf"}, id="a folder with one GGUF file"),
]


@pytest.mark.parametrize(("path", "expected"), PARTS)
def test_a_part_of_a_bucket_is_fetched(scene, path, expected):
    scene.add_secret()
    scene.put("q4/größe 2.gguf", b"GGUF")
    outcome = run(scene.config(uri=f"s3://{scene.bucket}{path}"), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert read_tree(scene.place.model).keys() == expected


def test_a_whole_bucket_may_be_the_model_and_empty_objects_are_folders(scene):
    scene.add_secret()
    bucket = scene.server.make_bucket(f"{scene.bucket}-whole")
    scene.server.upload(bucket, "", scene.folder)
    scene.server.put(bucket, "logs/", b"")
    outcome = run(scene.config(uri=f"s3://{bucket}"), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert read_tree(scene.place.model).keys() == {"config.json", WEIGHTS}


def test_what_was_uploaded_in_parts_is_fetched_as_a_whole(scene):
    scene.add_secret()
    content = scene.content(WEIGHTS) * 10
    scene.server.put_in_parts(scene.bucket, "parts/model.safetensors", content, 5 * 1024 * 1024)
    scene.server.put(scene.bucket, "parts/config.json", b"{}")
    (_, etag) = scene.server.describe(scene.bucket, "parts/model.safetensors")
    assert etag.endswith('-2"')
    outcome = run(scene.config(uri=f"s3://{scene.bucket}/parts"), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert (scene.place.model / WEIGHTS).read_bytes() == content


def test_it_fits_a_small_container_and_uses_nothing_of_the_machine(scene):
    """Neither torch nor the hub's library is imported, and no variable of AWS's tools counts."""
    scene.add_secret()
    variables = {
        "PYTHONPROFILEIMPORTTIME": "1",
        "AWS_ACCESS_KEY_ID": "stranger",
        "AWS_SECRET_ACCESS_KEY": "stranger",
        "AWS_SESSION_TOKEN": "stranger",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_REGION": "eu-north-1",
    }
    outcome = run(scene.config(), room=scene.room, variables=variables)
    assert outcome.code == 0, outcome.log
    assert "stranger" not in str([one.headers for one in scene.proxy.requests])
    imported = {line.rpartition("|")[2].strip() for line in outcome.log.splitlines()}
    assert "obstore.store" in imported
    heavy = {"torch", "transformers", "numpy", "fastapi", "huggingface_hub", "httpx2"}
    assert imported & heavy == set()
    root = scene.server.root
    assert root.secret_access_key not in outcome.log + outcome.output + str(outcome.report)
