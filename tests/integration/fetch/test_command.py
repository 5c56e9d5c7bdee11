"""The command itself: its help, `--resolve`, and what it takes of the machine."""

import re
import subprocess
import sys

import pytest

from modelyard_api.report import ReportedDownload, RuntimeReport, State, decode_report
from tests.support.fetch_process import run


@pytest.mark.parametrize("revision", ["", "v1/stable"], ids=["no branch is main", "a branch"])
def test_a_branch_is_resolved_to_its_commit_without_a_volume(scene, revision):
    scene.hub.publish("acme/tiny", scene.tiny.folder, branch="v1/stable")
    scene.place.volume.rmdir()
    outcome = run(scene.config(revision=revision), "--resolve", room=scene.room)
    assert outcome.code == 0, outcome.log
    expected = RuntimeReport(
        state=State.DONE, download=ReportedDownload(resolved_revision=scene.tiny.commit)
    )
    assert outcome.report == expected
    assert decode_report(outcome.output) == expected
    assert [one.method for one in scene.hub.requests] == ["GET"]
    assert not scene.place.volume.exists()


def test_a_branch_that_is_none_is_refused(scene):
    outcome = run(scene.config(revision="next"), "--resolve", room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "ModelNotFound",
        (
            f"The hub does not know acme/tiny at next: {scene.hub.host} answers 404: Invalid rev "
            "id: next"
        ),
        "Check spec.model.revision; upper and lower case count.",
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{}", "MODELYARD_FETCH is not valid: uri: Field required"),
        (
            '{"uri": "hf://acme"}',
            (
                "MODELYARD_FETCH is not valid: uri: Value error, 'hf://acme' is not "
                "hf://ORG/NAME or hf://ORG/NAME/FILE-OR-FOLDER, for example "
                "hf://Qwen/Qwen2.5-0.5B-Instruct"
            ),
        ),
    ],
    ids=["no uri", "half a uri"],
)
def test_a_configuration_that_cannot_be_read_is_told(scene, config, message):
    outcome = run(config, room=scene.room)
    assert outcome.code == 78
    assert outcome.error[:2] == ("ConfigInvalid", message)


def test_it_fits_a_small_container(scene):
    """Neither torch nor the server is imported."""
    outcome = run(scene.config(), room=scene.room, variables={"PYTHONPROFILEIMPORTTIME": "1"})
    assert outcome.code == 0, outcome.log
    imported = set(re.findall(r"\| +([\w.]+)$", outcome.log, flags=re.MULTILINE))
    assert "huggingface_hub.utils" in imported
    heavy = {"torch", "transformers", "numpy", "fastapi", "uvicorn", "hf_xet", "prometheus_client"}
    assert imported & heavy == set()


def test_its_help_teaches():
    done = subprocess.run(
        [sys.executable, "-m", "modelyard_runtime", "fetch", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in ("MODELYARD_FETCH", "revision", "secretPath", "--resolve", "exit codes", "example"):
        assert word in done.stdout
