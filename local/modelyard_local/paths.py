"""Where things lie on disk: everything under one cache folder outside the repository."""

import os
import re
from pathlib import Path

from .errors import LocalError

REPOSITORY = Path(__file__).resolve().parents[2]

# Names become namespaces, cgroups, file names and node names, and unix sockets lie below them (108
# bytes at most).
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")


def cache_root() -> Path:
    """The folder of all caches and clusters: $MODELYARD_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("MODELYARD_CACHE"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "modelyard"


def parse_cluster_name(name: str) -> str:
    """Return the name if it can be a cluster's, else say what can."""
    if not _NAME.fullmatch(name):
        raise LocalError(
            f"cluster name {name!r} is not usable: take 1 to 30 of a-z, 0-9 and '-', a letter first"
        )
    return name


def clusters_folder() -> Path:
    """The folder with one folder per cluster."""
    return cache_root() / "clusters"
