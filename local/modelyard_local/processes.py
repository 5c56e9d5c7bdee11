"""Processes that outlive us: known by pid and start time, and signalled by those alone."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# The shell leaves at once, so that the child belongs to init and not to us: no zombie, no warning
# about a lost child.
_START = 'log=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'


@dataclass(frozen=True)
class Process:
    """A process of ours. The start time tells it from a later one with the same pid."""

    name: str
    pid: int
    started: int


def boot_id() -> str:
    """Differs after every start of the machine; pids of another boot mean nothing."""
    return _BOOT_ID.read_text().strip()


def start(
    name: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start a program in the background, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ["sh", "-c", _START, "sh", str(log), *map(str, argv)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, cwd=cwd, check=True)
    process = find(name, int(done.stdout))
    if process is None:
        raise LocalError(f"{name} ended at once; see {log}")
    return process


def find(name: str, pid: int) -> Process | None:
    """The running process with this pid, if there is one."""
    stat = _read_stat(pid)
    return None if stat is None else Process(name, pid, stat)


def is_alive(process: Process) -> bool:
    """Whether this very process still runs (a zombie does not)."""
    return _read_stat(process.pid) == process.started


def end(processes: Iterable[Process], *, grace_seconds: float) -> None:
    """Ask all to end, wait, then end them by force."""
    alive = [process for process in processes if is_alive(process)]
    if grace_seconds:
        _signal(alive, signal.SIGTERM)
        alive = _wait_for_end(alive, grace_seconds)
    _signal(alive, signal.SIGKILL)
    if left := _wait_for_end(alive, 10):
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in left)
        raise LocalError(f"these processes do not end, not even by force: {names}")


def find_in_network(namespace: Path) -> list[Process]:
    """All processes in a network namespace: whoever is in a cluster's belongs to it."""
    try:
        wanted = namespace.stat()
    except FileNotFoundError:
        return []
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                network = (folder / "ns/net").stat()
            except OSError:
                continue
            if (network.st_dev, network.st_ino) == (wanted.st_dev, wanted.st_ino) and (
                process := find("process", int(folder.name))
            ):
                found.append(process)
    return found


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        if is_alive(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _wait_for_end(processes: list[Process], seconds: float) -> list[Process]:
    deadline = time.monotonic() + seconds
    while (
        processes := [each for each in processes if is_alive(each)]
    ) and time.monotonic() < deadline:
        time.sleep(0.02)
    return processes


def _read_stat(pid: int) -> int | None:
    """The start time in clock ticks since boot; None if there is none, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if fields[0] in "ZX" else int(fields[19])
