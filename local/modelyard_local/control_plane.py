"""etcd, API server, controllers, scheduler and kwok, by kwokctl in the cluster's network."""

import base64
import json
import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from . import network, processes
from .addresses import API_PORT, Addresses
from .errors import LocalError
from .processes import Process
from .progress import Report, run_logged, wait_until
from .state import Files

FAKE_NODE_ANNOTATION = (
    "kwok.x-k8s.io/node"  # kwok plays the nodes that carry it with the value "fake", and no others
)

_PROGRAMS = {
    "etcd": "etcd",
    "kube-apiserver": "kubeApiserver",
    "kube-controller-manager": "kubeControllerManager",
    "kube-scheduler": "kubeScheduler",
    "kwok": "kwokController",
    "kubectl": "kubectl",
}
_DAEMONS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok-controller",
)

_ETCD_PORT = 2379
_AUDIT_POLICY_FILE = "audit-policy.yaml"
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata}
"""


@dataclass(frozen=True)
class Options:
    """What may differ between control planes."""

    audit: bool = False  # an audit log with microsecond times, in logs/audit.log
    api_limits: bool = (
        True  # API priority and fairness and client rate limits; benchmarks may turn them off
    )
    heartbeat_factor: float = 5.0  # kwokctl's default; lower it to notice a lost node earlier


def build_config(
    files: Files, addresses: Addresses, programs: Path, options: Options
) -> dict[str, object]:
    """Kwokctl's configuration."""
    certificates = files.kwok / "pki"
    binaries: dict[str, object] = {
        f"{key}Binary": str(programs / name) for name, key in _PROGRAMS.items()
    }
    audit: dict[str, object] = (
        {"kubeAuditPolicy": str(files.folder / _AUDIT_POLICY_FILE)} if options.audit else {}
    )
    api_server = {
        "service-cluster-ip-range": str(addresses.services),
        # Without an address that others reach, the Service `kubernetes` points to where nobody
        # listens.
        "advertise-address": str(addresses.node),
        # For `kubectl logs` and `exec`: without these the node's name is looked up, and the kubelet
        # sees nobody.
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-client-certificate": str(certificates / "admin.crt"),
        "kubelet-client-key": str(certificates / "admin.key"),
    }
    etcd = {
        "unsafe-no-fsync": "true",  # a cluster to throw away; the disk is often the bottleneck
        # It asks nobody who they are, so pods and other users of this machine must not reach it.
        "listen-client-urls": f"http://127.0.0.1:{_ETCD_PORT}",
        "listen-peer-urls": f"http://127.0.0.1:{_ETCD_PORT + 1}",
    }
    if options.audit:
        api_server["audit-log-maxsize"] = "1000"
    kwok = {
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": f"{FAKE_NODE_ANNOTATION}=fake",
    }
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            **binaries,
            **audit,
            "runtime": "binary",
            "bindAddress": "0.0.0.0",  # noqa: S104 - of the namespace
            "etcdPort": _ETCD_PORT,
            "etcdPeerPort": _ETCD_PORT + 1,
            "kubeApiserverPort": API_PORT,
            "kubeApiserverCertSANs": [str(addresses.kubernetes_service), str(addresses.node)],
            "disableQPSLimits": not options.api_limits,
            "heartbeatFactor": options.heartbeat_factor,
        },
        "componentsPatches": [
            _patch("etcd", etcd, override=True),
            _patch("kube-apiserver", api_server),
            _patch(
                "kube-controller-manager", {"service-cluster-ip-range": str(addresses.services)}
            ),
            _patch("kwok-controller", kwok),
        ],
    }


def start(
    files: Files, addresses: Addresses, programs: Path, options: Options, report: Report
) -> list[Process]:
    """Bring the control plane up and write the kubeconfig; returns its processes."""
    files.kwok.mkdir(parents=True, exist_ok=True)
    (files.kwok / "logs").symlink_to(files.logs)  # so that logs outlive `down`
    (files.folder / _AUDIT_POLICY_FILE).write_text(_AUDIT_POLICY)
    config = files.folder / "kwokctl.json"
    config.write_text(json.dumps(build_config(files, addresses, programs, options), indent=1))
    environment = {
        **os.environ,
        "KWOK_WORKDIR": str(files.folder / "kwok"),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    command = [
        "kwokctl",
        "create",
        "cluster",
        "--name",
        files.name,
        "--config",
        str(config),
        "--kubeconfig",
        "",
    ]
    run_logged(
        [*network.enter(files.namespace), *command],
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


def build_kubeconfig(
    server: str, authority: bytes, certificate: bytes, key: bytes
) -> dict[str, object]:
    """A kubeconfig that needs no other file."""

    def encode(data: bytes) -> str:
        return base64.b64encode(data).decode()

    cluster = {"server": server, "certificate-authority-data": encode(authority)}
    user = {"client-certificate-data": encode(certificate), "client-key-data": encode(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "modelyard", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "modelyard", "context": {"cluster": "modelyard", "user": "admin"}}],
        "current-context": "modelyard",
    }


def write_kubeconfig(files: Files, addresses: Addresses) -> None:
    """The kubeconfig by the address that host and cluster share (kwokctl's own says 127.0.0.1)."""
    certificates = files.kwok / "pki"
    parts = [(certificates / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key")]
    files.kubeconfig.touch(mode=0o600)
    files.kubeconfig.write_text(
        json.dumps(build_kubeconfig(addresses.api_server, *parts), indent=1)
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


def _patch(
    component: str, arguments: dict[str, str], *, override: bool = False
) -> dict[str, object]:
    extra = [{"key": key, "value": value, "override": override} for key, value in arguments.items()]
    return {"name": component, "extraArgs": extra}
