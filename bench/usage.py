"""CPU time and memory of processes, from /proc."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_seconds: float
    peak_mib: float


def read_usage(pid: int) -> Usage:
    """Read one process.

    Raises:
        FileNotFoundError: there is no such process.
    """
    folder = Path(f"/proc/{pid}")
    status = (folder / "status").read_text()
    return Usage(parse_cpu_seconds((folder / "stat").read_text()), parse_peak_mib(status))


def read_rss_mib(pid: int) -> float:
    """Return the memory that a process has now.

    Raises:
        FileNotFoundError: there is no such process.
    """
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def read_all(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Read several processes by name."""
    return {name: read_usage(pid) for name, pid in pids.items()}


def parse_cpu_seconds(stat: str, ticks_per_second: int = _TICKS_PER_SECOND) -> float:
    """Return user and system time of /proc/PID/stat."""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return (int(fields[11]) + int(fields[12])) / ticks_per_second


def parse_peak_mib(status: str) -> float:
    """Return the largest resident size so far of /proc/PID/status."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def spent_ms_per_object(
    before: Mapping[str, Usage], after: Mapping[str, Usage], objects: int
) -> dict[str, float]:
    """Return the CPU time that each process spent, in milliseconds per object."""
    return {
        name: round(1000 * (usage.cpu_seconds - before[name].cpu_seconds) / objects, 2)
        for name, usage in after.items()
        if name in before
    }


def peaks_mib(usages: Mapping[str, Usage], names: Iterable[str]) -> dict[str, float]:
    """Return the peaks of memory."""
    return {name: round(usages[name].peak_mib, 1) for name in names}
