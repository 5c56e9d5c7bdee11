"""What this process may use, read from its cgroups, and the bounds that follow.

A container sees the CPUs and the memory of the whole host; only its cgroups say what it may use.
A runtime that goes by the host starts a thread per host core (throttled most of the time) and
plans its cache past its memory limit (killed by the kernel).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_MIB = 1024 * 1024
_FALLBACK_MEMORY_BYTES = 1024 * _MIB

_MEMORY_FILES = ("memory.max", "memory.limit_in_bytes")

# One row adds almost nothing to a decode step's cost (weights are read once for all rows) until
# the arithmetic catches up with the memory bus, on CPUs around eight rows per core.
_SLOTS_PER_THREAD = 8
_MIN_SLOTS = 4
_MAX_SLOTS = 64
# Waiting requests are only text; the bound keeps the wait short rather than memory small.
_WAITING_PER_SLOT = 4


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds of this process.

    `max_slots` sequences are generated at once and `max_waiting` requests queue for a slot.
    """

    threads: int
    memory_bytes: int
    max_slots: int
    max_waiting: int


@dataclass(frozen=True, slots=True)
class CgroupMount:
    """A mounted hierarchy: of version 1 with these controllers, or of version 2 with none."""

    root: PurePosixPath
    mount_point: PurePosixPath
    controllers: frozenset[str]


def derive_capacity(threads: int, memory_bytes: int) -> Capacity:
    """Return the bounds that follow from what the process may use.

    Slots: eight per thread, between 4 and 64, whatever the memory; how many of them fit together
    is decided request by request against the cache budget (`cache_budget_bytes`), which is only
    known once the weights are loaded. Waiting requests: four per slot, so that the last in the
    queue waits for about four generations.
    """
    slots = min(max(threads * _SLOTS_PER_THREAD, _MIN_SLOTS), _MAX_SLOTS)
    return Capacity(
        threads=threads,
        memory_bytes=memory_bytes,
        max_slots=slots,
        max_waiting=slots * _WAITING_PER_SLOT,
    )


def cache_budget_bytes(memory_bytes: int, resident_bytes: int) -> int:
    """Return how much the key-value cache may take, given what the loaded process occupies.

    Seven tenths of what is left: the rest is for activations, for the copy that growing the cache
    makes of one layer, and for the allocator's slack.
    """
    return max((memory_bytes - resident_bytes) * 7 // 10, 0)


def parse_cpu_max(text: str) -> float | None:
    """Return the CPUs of a version 2 `cpu.max` (`200000 100000`), None when unlimited."""
    quota, _, period = text.strip().partition(" ")
    if quota == "max":
        return None
    return int(quota) / int(period or 100_000)


def parse_cfs_quota(quota: str, period: str) -> float | None:
    """Return the CPUs of version 1 `cpu.cfs_quota_us` and period, None when unlimited (-1)."""
    microseconds = int(quota)
    return microseconds / int(period) if microseconds > 0 else None


def parse_memory_limit(text: str) -> int | None:
    """Return bytes; None for `max`, and for version 1's 2^63 less a page, which means the same."""
    word = text.strip()
    if word == "max":
        return None
    limit = int(word)
    return limit if limit < 1 << 60 else None


def parse_mem_total(meminfo: str) -> int | None:
    """Return the host's memory from /proc/meminfo."""
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return None


def parse_mounts(mountinfo: str) -> list[CgroupMount]:
    """Return the cgroup mounts in /proc/self/mountinfo, version 1 hierarchies and version 2."""
    mounts = []
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        if not separator:
            continue
        # proc(5): id, parent, device, root, mount point, … - type, source, options.
        _, _, _, root, mount_point, *_ = before.split()
        kind, _, options = after.split(maxsplit=2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset(options.split(",")) if kind == "cgroup" else frozenset()
        mounts.append(CgroupMount(PurePosixPath(root), PurePosixPath(mount_point), controllers))
    return mounts


def parse_memberships(cgroup: str) -> list[tuple[frozenset[str], PurePosixPath]]:
    """Return (controllers, path) of /proc/self/cgroup; version 2 has no controllers there."""
    memberships = []
    for line in cgroup.splitlines():
        _, _, rest = line.partition(":")
        names, separator, path = rest.partition(":")
        if separator:
            controllers = frozenset(names.split(",")) - {""}
            memberships.append((controllers, PurePosixPath(path)))
    return memberships


def find_directories(
    mounts: Sequence[CgroupMount],
    memberships: Sequence[tuple[frozenset[str], PurePosixPath]],
    controller: str,
) -> list[PurePosixPath]:
    """Return the directory of each cgroup that can limit us, our own first, up to the root.

    All ancestors count: a pod's limit stands on the pod's cgroup, above the container's.
    """
    found: list[PurePosixPath] = []
    for controllers, path in memberships:
        for mount in mounts:
            version_2 = not controllers and not mount.controllers
            if version_2 or controller in controllers & mount.controllers:
                inside = _below(path, mount.root)
                found += [mount.mount_point / step for step in (inside, *inside.parents)]
    return found


def _below(path: PurePosixPath, root: PurePosixPath) -> PurePosixPath:
    # With a cgroup namespace the path is relative to the namespace's root (`/`, or `/..` for a
    # process moved out); then the mount point itself is our directory.
    if path.is_relative_to(root):
        return path.relative_to(root)
    return PurePosixPath()


def _read(path: PurePosixPath) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:
        return None


def limit_cpus(
    directories: Sequence[PurePosixPath], read: Callable[[PurePosixPath], str | None] = _read
) -> float | None:
    """Return the tightest CPU quota of these cgroups, of either version."""
    limits: list[float | None] = []
    for directory in directories:
        text = read(directory / "cpu.max")
        quota, period = (read(directory / f"cpu.cfs_{word}_us") for word in ("quota", "period"))
        limits.append(parse_cpu_max(text) if text else None)
        limits.append(parse_cfs_quota(quota, period) if quota and period else None)
    return min((limit for limit in limits if limit is not None), default=None)


def limit_memory(
    directories: Sequence[PurePosixPath], read: Callable[[PurePosixPath], str | None] = _read
) -> int | None:
    """Return the tightest memory limit of these cgroups, of either version."""
    texts = [read(path / name) for path in directories for name in _MEMORY_FILES]
    limits = [parse_memory_limit(text) for text in texts if text]
    return min((limit for limit in limits if limit is not None), default=None)


def count_threads(affinity: int, quota: float | None) -> int:
    """Return compute threads: the CPUs we may run on, within the quota rounded down, at least 1.

    Down, since a thread more than the quota pays for gets all of them throttled at once.
    """
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def read_capacity() -> Capacity:
    """Read this process's limits."""
    mounts = parse_mounts(_read(PurePosixPath("/proc/self/mountinfo")) or "")
    memberships = parse_memberships(_read(PurePosixPath("/proc/self/cgroup")) or "")
    quota = limit_cpus(find_directories(mounts, memberships, "cpu"))
    limit = limit_memory(find_directories(mounts, memberships, "memory"))
    total = parse_mem_total(_read(PurePosixPath("/proc/meminfo")) or "")
    known = [n for n in (limit, total) if n is not None]
    return derive_capacity(
        threads=count_threads(len(os.sched_getaffinity(0)), quota),
        memory_bytes=min(known, default=_FALLBACK_MEMORY_BYTES),
    )
