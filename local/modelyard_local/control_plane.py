"""etcd, API server, controllers, scheduler and kwok, by kwokctl in the cluster's network."""

import json
import os
import ssl
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from . import control_plane_config as config
from . import network, processes
from .addresses import Addresses
from .control_plane_config import Options
from .errors import LocalError
from .processes import Process
from .progress import Report, run_logged, wait_until
from .state import Files

_DAEMONS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok-controller",
)


def start(
    files: Files, addresses: Addresses, programs: Path, options: Options, report: Report
) -> list[Process]:
    """Bring the control plane up and write the kubeconfig; returns its processes."""
    files.kwok.mkdir(parents=True, exist_ok=True)
    (files.kwok / "logs").symlink_to(files.logs)  # so that logs outlive `down`
    config.audit_policy_of(files).write_text(config.AUDIT_POLICY)
    path = files.folder / "kwokctl.json"
    content = config.build_config(files, addresses, programs, options)
    path.write_text(json.dumps(content, indent=1))
    environment = {
        **os.environ,
        "KWOK_WORKDIR": str(files.folder / "kwok"),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    command = ["kwokctl", "create", "cluster", f"--name={files.name}", f"--config={path}"]
    run_logged(
        [*network.enter(files.namespace), *command, "--kubeconfig="],  # ours is written below
        title="starting the control plane",
        log=files.logs / "kwokctl.log",
        report=report,
        env=environment,
    )
    write_kubeconfig(files, addresses)
    started = [_find_daemon(files, name) for name in _DAEMONS]
    wait_until(
        lambda: is_ready(files, addresses),
        title="waiting for the API",
        timeout_seconds=90,
        report=report,
    )
    return started


def write_kubeconfig(files: Files, addresses: Addresses) -> None:
    """The kubeconfig by the address that host and cluster share (kwokctl's own says 127.0.0.1)."""
    certificates = files.kwok / "pki"
    parts = [(certificates / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key")]
    files.kubeconfig.touch(mode=0o600)
    files.kubeconfig.write_text(
        json.dumps(config.build_kubeconfig(addresses.api_server, *parts), indent=1)
    )


def is_ready(files: Files, addresses: Addresses) -> bool:
    """Whether the API server says that it is ready."""
    certificates = files.kwok / "pki"
    try:
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")
        handler = urllib.request.HTTPSHandler(context=context)
        # No proxy: the address is of this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        with opener.open(f"{addresses.api_server}/readyz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


def _find_daemon(files: Files, name: str) -> Process:
    path = files.kwok / "pids" / f"{name}.pid"
    process = processes.find(name, int(path.read_text())) if path.exists() else None
    if process is None:
        raise LocalError(f"{name} is not running; see {files.logs / name}.log")
    return process
