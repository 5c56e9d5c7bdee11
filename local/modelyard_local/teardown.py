"""Leaves nothing of a cluster on this machine but its images and logs. Works after any half-way failure, by name alone."""

import shutil
from pathlib import Path

from . import cgroups, network, processes, state
from .addresses import Addresses
from .errors import LocalError
from .state import Files, Record

_GRACE_SECONDS = 5.0  # for containerd's database; nothing else has anything to keep


def clean(files: Files) -> None:
    """End and remove everything of the cluster; what is already gone is no error."""
    record = state.read(files)
    _end_processes(files, record)
    cgroups.remove(files.namespace_name)
    network.remove(files.namespace, record.addresses if record else None)
    for folder in (files.node, files.folder / "kwok"):
        remove_folder(folder)
    for path in (files.kubeconfig, files.folder / "kwokctl.json", files.folder / "audit-policy.yaml", files.record):
        path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder, unless something is mounted in it: then its content may be someone else's."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if inside := [mount for mount in mounts if Path(mount).is_relative_to(folder)]:
        raise LocalError(f"{folder} has mounts in it ({', '.join(inside)}): unmount them, then try again")
    if folder.exists():
        shutil.rmtree(folder)


def _end_processes(files: Files, record: Record | None) -> None:
    ours = list(record.processes) if record and record.boot == processes.boot_id() else []
    by_name = {process.name: process for process in ours}
    # The kubelet first: it would start again what ends after it.
    processes.end([by_name[name] for name in ("kubelet",) if name in by_name], grace_seconds=0)
    processes.end(cgroups.find_processes(files.namespace_name), grace_seconds=0)
    keeper = [by_name[name] for name in ("containerd",) if name in by_name]
    processes.end(keeper, grace_seconds=_GRACE_SECONDS)
    processes.end(ours, grace_seconds=0)
    while left := [*processes.find_in_network(files.namespace), *cgroups.find_processes(files.namespace_name)]:
        processes.end(left, grace_seconds=0)


def release_addresses(record: Record) -> Addresses:
    """The ranges that `clean` frees, for messages."""
    return record.addresses
