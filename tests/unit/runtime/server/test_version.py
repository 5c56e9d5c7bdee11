"""The version that clients are told is that of the package."""

import tomllib
from pathlib import Path

from modelyard_runtime.version import VERSION


def test_the_version():
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
