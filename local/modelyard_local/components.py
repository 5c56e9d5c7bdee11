"""Taking programs of a control plane away for a time, as crashes, freezes and upgrades do."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import control_plane, network, processes, state
from .errors import LocalError
from .processes import Process
from .progress import Report, to_stderr, wait_until
from .state import Files, Record

_READY_SECONDS = 90.0


@dataclass(frozen=True)
class _Program:
    """A running program, and what it takes to start it again."""

    process: Process
    argv: tuple[str, ...]
    environment: dict[str, str]


@contextmanager
def ended(cluster: str, *components: str, on_progress: Report = to_stderr) -> Iterator[None]:
    """Kill programs such as `etcd` or `kube-apiserver` at once; start them again after the block.

    Whatever else of the control plane has ended meanwhile is started again too, as a kubelet
    would do. Returns when the API is ready.
    """
    files, record = _find(cluster)
    programs = [_describe(process) for process in record.processes]
    processes.end(_choose(record, components), grace_seconds=0)
    try:
        yield
    finally:
        alive = [_revive(files, program) for program in programs]
        state.write(files, replace(record, processes=tuple(alive)))
        wait_until(
            lambda: control_plane.is_ready(files, record.addresses),
            title=f"waiting for the API of cluster {cluster}",
            timeout_seconds=_READY_SECONDS,
            report=on_progress,
        )


def restart(cluster: str, *components: str, on_progress: Report = to_stderr) -> None:
    """Kill programs and start them again at once; returns when the API is ready."""
    with ended(cluster, *components, on_progress=on_progress):
        pass


@contextmanager
def paused(cluster: str, *components: str) -> Iterator[None]:
    """Stop programs in their tracks, connections open; they go on after the block."""
    _, record = _find(cluster)
    chosen = _choose(record, components)
    _signal(chosen, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(chosen, signal.SIGCONT)


def _find(cluster: str) -> tuple[Files, Record]:
    files = state.files_of(cluster)
    record = state.read(files)
    if record is None or not record.is_alive():
        raise LocalError(
            f"cluster {cluster!r} is not running; start it: python -m modelyard_local up {cluster}"
        )
    return files, record


def _choose(record: Record, components: Iterable[str]) -> list[Process]:
    by_name = {process.name: process for process in record.processes}
    if unknown := sorted(set(components) - by_name.keys()):
        raise LocalError(
            f"cluster {record.name!r} runs no {', '.join(unknown)}; it runs {', '.join(by_name)}"
        )
    return [by_name[name] for name in components]


def _describe(process: Process) -> _Program:
    folder = Path(f"/proc/{process.pid}")
    argv = (folder / "cmdline").read_text().rstrip("\0").split("\0")
    pairs = (folder / "environ").read_text().rstrip("\0").split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return _Program(process, tuple(argv), environment)


def _revive(files: Files, program: _Program) -> Process:
    process = program.process
    if processes.is_alive(process):
        return process
    return processes.start(
        process.name,
        [*network.enter(files.namespace), *program.argv],
        log=files.logs / f"{process.name}.log",
        env=program.environment,
    )


def _signal(chosen: Iterable[Process], number: signal.Signals) -> None:
    for process in chosen:
        if processes.is_alive(process):
            os.kill(process.pid, number)
