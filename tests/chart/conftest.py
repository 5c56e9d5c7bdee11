"""The real helm and promtool."""

import os
import subprocess
from pathlib import Path

import pytest

from modelyard_local import programs

CHART = Path(__file__).parents[2] / "charts" / "modelyard"


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """Run helm with empty configuration of its own; return the finished process."""
    binary = programs.ensure("helm") / "helm"
    home = tmp_path_factory.mktemp("helm")

    def run(*args, text=None):
        environment = {**os.environ, "HELM_CONFIG_HOME": str(home), "HELM_CACHE_HOME": str(home)}
        return subprocess.run(
            [binary, *args],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    return run


@pytest.fixture(scope="session")
def render(helm):
    """Render the chart."""

    def render(*args):
        done = helm("template", "modelyard", CHART, "--namespace", "modelyard-system", *args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return render


@pytest.fixture(scope="session")
def promtool():
    """Run promtool; return the finished process."""
    binary = programs.ensure("prometheus") / "promtool"

    def run(*args):
        return subprocess.run([binary, *args], capture_output=True, text=True, check=False)

    return run
