"""kind-config.yaml, read by kind's own types; no Docker engine is needed for that."""

import subprocess
from pathlib import Path

import pytest

from modelyard_local import programs

CONFIG = Path(__file__).parents[2] / "kind-config.yaml"

pytestmark = pytest.mark.timeout(900)  # builds kind's module the first time


@pytest.fixture(scope="module")
def checkconfig():
    return programs.ensure("kind") / "checkconfig"


def test_kind_accepts_the_configuration(checkconfig):
    done = subprocess.run([checkconfig, CONFIG], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{CONFIG}: 1 node(s)\n")


def test_a_field_that_kind_does_not_know_is_refused(checkconfig, tmp_path):
    wrong = tmp_path / "kind.yaml"
    wrong.write_text(CONFIG.read_text().replace("role:", "rolle:"))
    done = subprocess.run([checkconfig, wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "field rolle not found" in done.stderr
