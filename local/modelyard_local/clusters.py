"""Clusters by name: up, down, and the handle that tests and the demo work with."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import node as real_node
from . import control_plane, network, processes, programs, requirements, state, teardown
from .addresses import allot
from .control_plane import Options
from .errors import CommandFailed, LocalError
from .locks import exclusive
from .paths import clusters_folder
from .progress import Pulse, Report
from .state import Files, Record


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    name: str
    kubeconfig: Path
    bin: Path  # a folder for PATH: kubectl, helm, ctr, …
    api_server: str
    node_name: str | None  # of the real node
    node_address: str  # the cluster's end of the link
    gateway_address: str  # the host's end: what the host lets listen there, pods reach

    def environment(self) -> dict[str, str]:
        """Our environment with the cluster's kubeconfig and programs."""
        path = f"{self.bin}:{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        """Run kubectl; returns what it printed."""
        return self._run("kubectl", arguments, input, check)

    def helm(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        """Run helm; returns what it printed."""
        return self._run("helm", arguments, input, check)

    def _run(self, program: str, arguments: tuple[str, ...], text: str | None, check: bool) -> str:
        argv = [self.bin / program, *arguments]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, env=self.environment(), check=False)
        if check and done.returncode:
            raise CommandFailed(f"{program} {' '.join(arguments)}", done.returncode, done.stderr or done.stdout)
        return done.stdout


def up(name: str, *, node: bool = True, options: Options = Options(), on_progress: Report = print) -> Cluster:
    """Bring a cluster up, or return the running one; one that is half dead is cleaned and brought up anew."""
    files = state.files_of(name)
    with _locked(files, on_progress):
        record = state.read(files)
        if record and record.ready and record.has_node >= node and _is_well(files, record):
            return _handle(files, record)
        groups = [*programs.CONTROL_PLANE, *(programs.NODE if node else ()), "helm"]
        uses = ["cluster", *(["node"] if node else [])]
        requirements.ensure(*uses, builds=bool(programs.missing(*groups)), report=on_progress)
        bin_folder = programs.ensure(*groups, report=on_progress)
        if record and not _is_well(files, record):
            on_progress(f"cluster {name} is half dead (a process ended, or the machine restarted): cleaning it first")
        pulse = Pulse(f"cluster {name}", on_progress)
        with _cleaned_on_error(files, on_progress):
            teardown.clean(files)
            record = _start(files, bin_folder, node, options, on_progress)
        on_progress(f"cluster {name} is up: {pulse.elapsed_seconds:.1f} s")
        return _handle(files, record)


def down(name: str, purge: bool = False, *, on_progress: Report = print) -> None:
    """End a cluster and leave nothing of it but its images and logs; with `purge`, not even those."""
    files = state.files_of(name)
    with _locked(files, on_progress):
        teardown.clean(files)
        if purge:
            teardown.remove_folder(files.folder)


def find(name: str) -> Cluster:
    """The handle of a running cluster."""
    files = state.files_of(name)
    record = state.read(files)
    if not record or not record.ready or not _is_well(files, record):
        raise LocalError(f"cluster {name!r} is not running; start it: python -m modelyard_local up {name}")
    return _handle(files, record)


def _start(files: Files, bin_folder: Path, node: bool, options: Options, report: Report) -> Record:
    for folder in (files.folder, files.logs):
        folder.mkdir(parents=True, exist_ok=True)
    with exclusive(clusters_folder() / ".addresses.lock"):  # between looking for a free range and keeping it
        taken = [record.index for _, record in state.read_all()]
        addresses = allot(taken, network.read_host_networks())
        record = Record(files.name, addresses.index, processes.boot_id())
        state.write(files, record)
        network.create(files.namespace, addresses)
    record = record.with_processes(*control_plane.start(files, addresses, bin_folder, options, report))
    state.write(files, record)
    if node:
        on_node = real_node.start(files, addresses, bin_folder, report)
        record = replace(record.with_processes(*on_node), has_node=True)
    record = replace(record, ready=True)
    state.write(files, record)
    return record


def _is_well(files: Files, record: Record) -> bool:
    return record.is_alive() and control_plane.is_ready(files, record.addresses)


def _handle(files: Files, record: Record) -> Cluster:
    addresses = record.addresses
    groups = [*programs.CONTROL_PLANE, *(programs.NODE if record.has_node else ()), "helm"]
    return Cluster(
        name=files.name,
        kubeconfig=files.kubeconfig,
        bin=programs.ensure(*groups),
        api_server=addresses.api_server,
        node_name=real_node.node_name(files.name) if record.has_node else None,
        node_address=str(addresses.node),
        gateway_address=str(addresses.gateway),
    )


@contextmanager
def _locked(files: Files, report: Report) -> Iterator[None]:
    with exclusive(files.lock, waiting=lambda: report(f"another process changes cluster {files.name}; waiting …")):
        yield


@contextmanager
def _cleaned_on_error(files: Files, report: Report) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        report(f"cluster {files.name} did not come up ({type(error).__name__}): cleaning up; logs stay in {files.logs}")
        teardown.clean(files)
        raise
