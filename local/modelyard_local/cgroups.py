"""The cgroup of a cluster's pods, in every hierarchy that this machine has (v1, v2 or both)."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from . import processes
from .errors import LocalError
from .processes import Process

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS_V2 = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")


def read_hierarchies(mounts: str) -> list[tuple[Path, bool]]:
    """Mount points of cgroups in the text of /proc/mounts, and whether each is of version 2."""
    found = []
    for line in mounts.splitlines():
        _, where, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and Path(where).is_relative_to(_ROOT):
            found.append((Path(where), kind == "cgroup2"))
    return found


def has_controllers() -> bool:
    """Whether the kubelet will find what it needs."""
    hierarchies = read_hierarchies(Path("/proc/mounts").read_text())
    return any(
        path.name == "memory" or (path / "cgroup.controllers").exists() for path, _ in hierarchies
    )


def is_version_1() -> bool:
    """Whether pods' limits are kept by version 1."""
    return not (_ROOT / "cgroup.controllers").exists()


def create(name: str) -> None:
    """Make the cgroup everywhere; kubelets that shared one would clear each other's pods."""
    for path, is_v2 in read_hierarchies(Path("/proc/mounts").read_text()):
        if is_v2 and path == _ROOT:
            offered = (path / "cgroup.controllers").read_text().split()
            wanted = " ".join(f"+{each}" for each in _CONTROLLERS_V2 if each in offered)
            (path / "cgroup.subtree_control").write_text(wanted)
        (path / name).mkdir(exist_ok=True)


def find_processes(name: str) -> list[Process]:
    """All processes of all pods."""
    found = {}
    for top in _tops(name):
        for path in top.rglob("cgroup.procs"):
            for pid in _read_pids(path):
                if process := processes.find("process of a pod", pid):
                    found[pid] = process
    return list(found.values())


def remove(name: str) -> None:
    """Remove the cgroup with all below it, once its processes are gone."""
    deadline = time.monotonic() + 10
    for top in _tops(name):
        for folder, _, _ in os.walk(top, topdown=False):
            _remove_one(Path(folder), deadline)


def _remove_one(folder: Path, deadline: float) -> None:
    while True:
        try:
            folder.rmdir()
            break
        except FileNotFoundError:
            break
        except OSError as error:  # busy for a moment after its last process died
            if time.monotonic() > deadline:
                raise LocalError(f"cgroup {folder} does not go away: {error}") from error
            time.sleep(0.02)


def _tops(name: str) -> list[Path]:
    hierarchies = read_hierarchies(Path("/proc/mounts").read_text())
    return [path / name for path, _ in hierarchies if (path / name).is_dir()]


def _read_pids(path: Path) -> Iterable[int]:
    try:
        return [int(line) for line in path.read_text().split()]
    except OSError:
        return []
