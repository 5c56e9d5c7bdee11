"""The environment of the programs that are measured."""

import os


def build_environment(**variables: str) -> dict[str, str]:
    """Return ours with more variables, and with Python's compiled modules kept as in an image.

    Some development environments forbid keeping them; then every start would compile torch anew.
    """
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, **variables}
