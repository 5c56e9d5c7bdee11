"""The real node: containerd, kubelet, kube-proxy and CoreDNS in the cluster's network namespace.

containerd and kubelet also get a mount namespace: all mounts of pods end with their last process,
and each cluster has its own /var/lib/kubelet and /run/containerd although these paths are fixed in
the programs.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, network, node_config, oci, processes
from .addresses import Addresses
from .containerd import Containerd
from .errors import LocalError
from .node_config import Node
from .processes import Process
from .progress import Report, wait_until
from .state import Files

# Mounts of the host still arrive here; none of ours goes back (slave). Inside they are shared, as
# kubelets expect.
_BOUND = ("lib/kubelet", "lib/cni", "log/pods", "log/containers")  # of /var
_PREPARE_MOUNTS = f"""\
set -e
mount --make-rslave /
mount --make-rshared /
mount -t tmpfs -o mode=755 modelyard /run/containerd
for each in {" ".join(_BOUND)}; do mount --bind "$1/$each" "/var/$each"; done
shift
exec "$@"
"""
_MOUNT_POINTS = ("/run/containerd", *(f"/var/{each}" for each in _BOUND))


def node_name(cluster: str) -> str:
    """The name of a cluster's real node."""
    return f"{cluster}-node"


def start(files: Files, addresses: Addresses, programs: Path, report: Report) -> list[Process]:
    """Start the node; returns when it is Ready and the cluster's DNS answers."""
    node = _describe(files, addresses, programs)
    for name, text in node_config.build_files(node).items():
        path = node.configuration / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cgroups.create(files.namespace_name)
    containerd = _start_containerd(files, node)
    images = Containerd(containerd, programs, files)
    wait_until(images.answers, title="waiting for containerd", timeout_seconds=60, report=report)
    _load_pause(images, report)
    others = [
        _start_kubelet(files, node, containerd),
        _start_in_network(
            files, node, "kube-proxy", "--config", node.configuration / "kube-proxy.json"
        ),
        _start_in_network(files, node, "coredns", "-conf", node.configuration / "Corefile"),
    ]
    kubectl = [str(programs / "kubectl"), f"--kubeconfig={files.kubeconfig}"]
    wait_until(
        lambda: _node_is_ready(kubectl, node.name, [containerd, *others], files),
        title="waiting for the node",
        timeout_seconds=120,
        report=report,
    )
    return [containerd, *others]


def _describe(files: Files, addresses: Addresses, programs: Path) -> Node:
    runc = shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if runc is None:
        raise LocalError("runc is not installed: apt-get install runc")
    return Node(
        name=node_name(files.name),
        cgroup=files.namespace_name,
        addresses=addresses,
        programs=programs,
        images=files.images,
        configuration=files.node / "config",
        kubeconfig=files.kubeconfig,
        authority=files.kwok / "pki/ca.crt",
        runc=Path(runc),
        cgroup_v1=cgroups.is_version_1(),
    )


def _start_containerd(files: Files, node: Node) -> Process:
    for point in _MOUNT_POINTS:
        Path(point).mkdir(parents=True, exist_ok=True)
    for folder in _BOUND:
        (files.node / "var" / folder).mkdir(parents=True, exist_ok=True)
    files.images.mkdir(parents=True, exist_ok=True)
    prepare = ["sh", "-c", _PREPARE_MOUNTS, "sh", str(files.node / "var")]
    containerd = [
        str(node.programs / "containerd"),
        f"--config={node.configuration / 'containerd.toml'}",
    ]
    argv = [
        *network.enter(files.namespace),
        "unshare",
        "--mount",
        "--propagation=unchanged",
        *prepare,
        *containerd,
    ]
    # The shim is looked up on PATH.
    environment = {**os.environ, "PATH": f"{node.programs}:{os.environ['PATH']}:/usr/sbin:/sbin"}
    return processes.start("containerd", argv, log=files.logs / "containerd.log", env=environment)


def _start_kubelet(files: Files, node: Node, containerd: Process) -> Process:
    argv = [
        *("nsenter", f"--target={containerd.pid}", "--mount", "--net", "--"),
        str(node.programs / "kubelet"),
        f"--config={node.configuration / 'kubelet.json'}",
        f"--kubeconfig={files.kubeconfig}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.addresses.node}",
    ]
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    return processes.start("kubelet", argv, log=files.logs / "kubelet.log", env=environment)


def _start_in_network(files: Files, node: Node, program: str, *arguments: str | Path) -> Process:
    argv = [*network.enter(files.namespace), str(node.programs / program), *arguments]
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    return processes.start(program, argv, log=files.logs / f"{program}.log", env=environment)


def _load_pause(containerd: Containerd, report: Report) -> None:
    """The image of every pod's sandbox: one static program, no base."""
    layout = oci.open_layout()
    with layout.locked(report):
        if layout.find(node_config.PAUSE_IMAGE) is None:
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(containerd.programs / "pause", folder)
                layer = layout.add_folder(Path(folder))
            digest = layout.add_image(layer, {"Entrypoint": ["/pause"], "User": "65535"})
            layout.name(node_config.PAUSE_IMAGE, digest)
    image = layout.get(node_config.PAUSE_IMAGE)
    if containerd.references().get(image.reference) != image.manifest.digest:
        containerd.load(layout, image)


def _node_is_ready(kubectl: Sequence[str], name: str, started: list[Process], files: Files) -> bool:
    if ended := [process.name for process in started if not processes.is_alive(process)]:
        raise LocalError(f"{', '.join(ended)} ended; see {files.logs}")
    done = subprocess.run(
        [*kubectl, "get", "node", name, "-o", "json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return False
    conditions = json.loads(done.stdout).get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
