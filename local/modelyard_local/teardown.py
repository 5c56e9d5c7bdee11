"""Leaves nothing of a cluster but its images and logs, after any half-way failure."""

import contextlib
import shutil
from pathlib import Path

from . import cgroups, network, processes, state
from .containerd import Containerd
from .errors import CommandFailed, LocalError
from .processes import Process
from .state import Files, Record

_GRACE_SECONDS = 5.0  # for containerd's database; nothing else has anything to keep


def clean(files: Files) -> None:
    """End and remove everything of the cluster; what is already gone is no error."""
    record = state.read(files)
    _end_processes(files, record)
    cgroups.remove(files.namespace_name)
    network.remove(files.namespace)
    for folder in (files.node, files.folder / "kwok"):
        remove_folder(folder)
    for path in (
        files.kubeconfig,
        files.folder / "kwokctl.json",
        files.folder / "audit-policy.yaml",
        files.record,
    ):
        path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder, unless something is mounted in it: it may be someone else's."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if inside := [mount for mount in mounts if Path(mount).is_relative_to(folder)]:
        raise LocalError(
            f"{folder} has mounts in it ({', '.join(inside)}): unmount them, then try again"
        )
    if folder.exists():
        shutil.rmtree(folder)


def _end_processes(files: Files, record: Record | None) -> None:
    ours = list(record.processes) if record and record.boot == processes.boot_id() else []
    by_name = {process.name: process for process in ours}
    # The kubelet first: it would start again what ends after it.
    processes.end([by_name[name] for name in ("kubelet",) if name in by_name], grace_seconds=0)
    processes.end(cgroups.find_processes(files.namespace_name), grace_seconds=0)
    if containerd := by_name.get("containerd"):
        if processes.is_alive(containerd):
            _forget_containers(files, containerd)
        processes.end([containerd], grace_seconds=_GRACE_SECONDS)
    processes.end(ours, grace_seconds=0)
    while left := [
        *processes.find_in_network(files.namespace),
        *cgroups.find_processes(files.namespace_name),
    ]:
        processes.end(left, grace_seconds=0)


def _forget_containers(files: Files, containerd: Process) -> None:
    """So that the next `up` finds images alone; else its kubelet clears them up, but slower."""
    with contextlib.suppress(CommandFailed, OSError):
        # ctr lies beside it; the checkout may have other pins by now, and `down` builds nothing.
        programs = Path(f"/proc/{containerd.pid}/exe").resolve().parent
        Containerd(containerd, programs, files).forget_containers()
