"""What is kept about a cluster on disk, and where its files lie."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import processes
from .addresses import Addresses
from .paths import clusters_folder, parse_cluster_name
from .processes import Process


@dataclass(frozen=True)
class Files:
    """The folder of one cluster. `images` alone survives `down`."""

    name: str
    folder: Path

    @property
    def record(self) -> Path:
        """The cluster's record."""
        return self.folder / "cluster.json"

    @property
    def lock(self) -> Path:
        """Held while the cluster is changed."""
        return self.folder.parent / f".{self.name}.lock"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def kwok(self) -> Path:
        """Kwokctl's folder of this cluster."""
        return self.folder / "kwok/clusters" / self.name

    @property
    def node(self) -> Path:
        """What containerd, kubelet, kube-proxy and CoreDNS write, images excepted."""
        return self.folder / "node"

    @property
    def images(self) -> Path:
        """Containerd's images and unpacked layers."""
        return self.folder / "images"

    @property
    def logs(self) -> Path:
        """One log per program."""
        return self.folder / "logs"

    @property
    def namespace_name(self) -> str:
        """Name of the network namespace, of the cgroup and of the pod network."""
        return f"modelyard-{self.name}"

    @property
    def namespace(self) -> Path:
        """The network namespace's file."""
        return Path("/run/netns") / self.namespace_name


@dataclass(frozen=True)
class Record:
    """A cluster as it was brought up."""

    name: str
    index: int
    boot: str
    engine: str = "machine"  # machine or kind
    ready: bool = False
    has_node: bool = False
    processes: tuple[Process, ...] = field(default=())

    @property
    def addresses(self) -> Addresses:
        """Its ranges."""
        return Addresses(self.index)

    def with_processes(self, *more: Process) -> "Record":
        """The record with more processes of ours."""
        return replace(self, processes=(*self.processes, *more))

    def is_alive(self) -> bool:
        """Whether all its processes run, in this boot of the machine."""
        return self.boot == processes.boot_id() and all(map(processes.is_alive, self.processes))


def files_of(name: str) -> Files:
    """Where a cluster's files lie."""
    return Files(parse_cluster_name(name), clusters_folder() / name)


def read(files: Files) -> Record | None:
    """The cluster's record; None if it is not up."""
    try:
        data = json.loads(files.record.read_text())
    except (
        FileNotFoundError,
        ValueError,
    ):  # a torn write means an interrupted `up`: clean up by name alone
        return None
    return Record(**{**data, "processes": tuple(Process(**each) for each in data["processes"])})


def write(files: Files, record: Record) -> None:
    """Keep the record, whole or not at all."""
    files.folder.mkdir(parents=True, exist_ok=True)
    fresh = files.record.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(record), indent=1))
    fresh.replace(files.record)


def read_all() -> Iterator[tuple[Files, Record]]:
    """All clusters with a record."""
    folder = clusters_folder()
    for path in sorted(folder.glob("*/cluster.json")):
        files = Files(path.parent.name, path.parent)
        if record := read(files):
            yield files, record
