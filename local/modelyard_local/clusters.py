"""Clusters by name: up, down, and the handle that tests and the demo work with."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import control_plane, kind, network, processes, programs, requirements, state, teardown
from . import node as real_node
from .addresses import allot
from .control_plane_config import Options
from .errors import CommandFailed, LocalError, WaitTimedOut
from .locks import exclusive
from .paths import clusters_folder
from .progress import Pulse, Report, to_stderr, wait_until
from .state import Files, Record

_USUAL = Options()
_DEFINITION_SECONDS = 30.0
_BUSY_SECONDS = 60.0  # for which a running API server may not answer before it counts as dead


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

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - as in subprocess
        check: bool = True,
    ) -> str:
        """Run kubectl; returns what it printed."""
        return self._run("kubectl", arguments, input, check=check)

    def helm(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - as in subprocess
        check: bool = True,
    ) -> str:
        """Run helm; returns what it printed."""
        return self._run("helm", arguments, input, check=check)

    def define(self, definitions: str, *, report: Report = to_stderr) -> None:
        """Apply CustomResourceDefinitions, and return once their objects can be made.

        `kubectl wait` fails while one has no status, or no conditions, as for a moment after it was
        made.

        Raises:
            CommandFailed: one is refused.
            WaitTimedOut: its objects cannot be made after half a minute.
        """
        self.kubectl("apply", "--server-side", "-f", "-", input=definitions)

        def are_established() -> bool:
            told = self.kubectl("get", "-f", "-", "-o", "json", input=definitions)
            return all(map(_is_established, json.loads(told)["items"]))

        wait_until(
            are_established,
            title="the definitions are established",
            timeout_seconds=_DEFINITION_SECONDS,
            report=report,
        )

    def _run(
        self, program: str, arguments: tuple[str, ...], text: str | None, *, check: bool
    ) -> str:
        argv = [str(self.bin / program), *arguments]
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, env=self.environment(), check=False
        )
        if check and done.returncode:
            raise CommandFailed(
                f"{program} {' '.join(arguments)}", done.returncode, done.stderr or done.stdout
            )
        return done.stdout


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)


def up(
    name: str, *, node: bool = True, options: Options = _USUAL, on_progress: Report = print
) -> Cluster:
    """Bring a cluster up, or return the running one; a half dead one is brought up anew."""
    files = state.files_of(name)
    with _locked(files, on_progress):
        record = state.read(files)
        if (record and record.engine == "kind") or (record is None and kind.is_available()):
            return _up_in_docker(files, on_progress)
        well = record is not None and _is_well(files, record, on_progress)
        if record and well and record.has_node >= node:
            return _handle(files, record, on_progress)
        groups = _groups(node=node)
        uses = ["cluster", *(["node"] if node else [])]
        requirements.ensure(*uses, builds=bool(programs.missing(*groups)), report=on_progress)
        bin_folder = programs.ensure(*groups, report=on_progress)
        pulse = Pulse(f"cluster {name}", on_progress)
        with _cleaned_on_error(files, on_progress):
            if not record or not well:
                record = _start(files, bin_folder, options, on_progress)
            if node:
                record = _add_node(files, record, bin_folder, on_progress)
            state.write(files, replace(record, ready=True))
        on_progress(f"cluster {name} is up: {pulse.elapsed_seconds:.1f} s")
        return _handle(files, record, on_progress)


def down(
    name: str,
    purge: bool = False,  # noqa: FBT001, FBT002 - down("x", True) is not worth refusing
    *,
    on_progress: Report = print,
) -> None:
    """End a cluster and leave only its images and logs; with `purge`, not even those."""
    files = state.files_of(name)
    with _locked(files, on_progress):
        record = state.read(files)
        if record and record.engine == "kind":
            kind.down(files)
        teardown.clean(files)
        if purge:
            teardown.remove_folder(files.folder)


def find(name: str, *, on_progress: Report = to_stderr) -> Cluster:
    """The handle of a running cluster."""
    files = state.files_of(name)
    record = state.read(files)
    if not record or not _is_well(files, record, on_progress):
        raise LocalError(
            f"cluster {name!r} is not running; start it: python -m modelyard_local up {name}"
        )
    return _handle(files, record, on_progress)


def read_names() -> list[tuple[str, str]]:
    """Every cluster that has a record, and how it is."""
    return [(files.name, _describe(record)) for files, record in state.read_all()]


def _start(files: Files, bin_folder: Path, options: Options, report: Report) -> Record:
    if files.record.exists():
        report(
            f"cluster {files.name} is half dead (a process ended, or the machine restarted): "
            "cleaning it first"
        )
    teardown.clean(files)
    teardown.remove_folder(files.logs)  # they outlived `down` to be read; now they are old
    files.logs.mkdir(parents=True)
    with exclusive(
        clusters_folder() / ".addresses.lock"
    ):  # between looking for a free range and keeping it
        taken = [record.index for _, record in state.read_all()]
        addresses = allot(taken, network.read_host_networks())
        record = Record(files.name, addresses.index, processes.boot_id())
        state.write(files, record)
        network.create(files.namespace, addresses)
    record = record.with_processes(
        *control_plane.start(files, addresses, bin_folder, options, report)
    )
    state.write(files, record)
    return record


def _up_in_docker(files: Files, report: Report) -> Cluster:
    kind.up(files, report)
    record = Record(files.name, 0, processes.boot_id(), engine="kind", ready=True, has_node=True)
    state.write(files, record)
    return _handle(files, record, report)


def _add_node(files: Files, record: Record, bin_folder: Path, report: Report) -> Record:
    started = real_node.start(files, record.addresses, bin_folder, report)
    return replace(record.with_processes(*started), has_node=True)


def _groups(*, node: bool) -> list[str]:
    return [*programs.CONTROL_PLANE, *(programs.NODE if node else ()), "helm"]


def _describe(record: Record) -> str:
    if not (record.ready and record.is_alive()):
        return "half dead: `up` brings it up anew, `down` removes it"
    return f"running{' with a node' if record.has_node else ''} at {record.addresses.api_server}"


def _is_well(files: Files, record: Record, report: Report) -> bool:
    """Whether it runs and its API answers; a machine under load is given time to."""
    if record.engine == "kind":
        return files.kubeconfig.exists()
    if not (record.ready and record.is_alive()):
        return False
    try:
        wait_until(
            lambda: control_plane.is_ready(files, record.addresses) or not record.is_alive(),
            title=f"waiting for the API of cluster {files.name}",
            timeout_seconds=_BUSY_SECONDS,
            report=report,
        )
    except WaitTimedOut:
        return False
    return record.is_alive()


def _handle(files: Files, record: Record, report: Report) -> Cluster:
    if record.engine == "kind":
        return _handle_in_docker(files, report)
    addresses = record.addresses
    return Cluster(
        name=files.name,
        kubeconfig=files.kubeconfig,
        bin=programs.ensure(*_groups(node=record.has_node), report=report),
        api_server=addresses.api_server,
        node_name=real_node.node_name(files.name) if record.has_node else None,
        node_address=str(addresses.node),
        gateway_address=str(addresses.gateway),
    )


def _handle_in_docker(files: Files, report: Report) -> Cluster:
    node_address, gateway = kind.read_addresses(files.name)
    cluster = Cluster(
        name=files.name,
        kubeconfig=files.kubeconfig,
        bin=programs.ensure(*kind.GROUPS, report=report),
        api_server="",
        node_name=f"{files.name}-control-plane",
        node_address=node_address,
        gateway_address=gateway,
    )
    server = cluster.kubectl(
        "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"
    )
    return replace(cluster, api_server=server)


@contextmanager
def _locked(files: Files, report: Report) -> Iterator[None]:
    with exclusive(
        files.lock,
        waiting=lambda: report(f"another process changes cluster {files.name}; waiting …"),
    ):
        yield


@contextmanager
def _cleaned_on_error(files: Files, report: Report) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        report(
            f"cluster {files.name} did not come up ({type(error).__name__}): cleaning up; "
            f"logs stay in {files.logs}"
        )
        teardown.clean(files)
        raise
