"""Configuration of the control plane: kwokctl's file, the audit policy, the kubeconfig."""

import base64
from dataclasses import dataclass
from pathlib import Path

from .addresses import API_PORT, Addresses
from .state import Files

# kwok plays the nodes that carry it with the value "fake", and no others.
FAKE_NODE_ANNOTATION = "kwok.x-k8s.io/node"

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata}
"""

_PROGRAMS = {
    "etcd": "etcd",
    "kube-apiserver": "kubeApiserver",
    "kube-controller-manager": "kubeControllerManager",
    "kube-scheduler": "kubeScheduler",
    "kwok": "kwokController",
    "kubectl": "kubectl",
}
_ETCD_PORT = 2379
# The name in the one client certificate that kwokctl makes.
_ADMIN = "kwok-admin"


@dataclass(frozen=True)
class Options:
    """What may differ between control planes."""

    # An audit log with microsecond times, in logs/audit.log.
    audit: bool = False
    # API priority and fairness and client rate limits; benchmarks may turn them off.
    api_limits: bool = True
    # kwokctl's default; lower it to notice a lost node earlier.
    heartbeat_factor: float = 5.0


def audit_policy_of(files: Files) -> Path:
    """Where the audit policy lies."""
    return files.folder / "audit-policy.yaml"


def build_config(
    files: Files, addresses: Addresses, programs: Path, options: Options
) -> dict[str, object]:
    """The file that kwokctl creates the cluster from."""
    service_range = {"service-cluster-ip-range": str(addresses.services)}
    # There is only one of each: with a lease to lose they would end whenever the API is away.
    alone = {"leader-elect": "false"}
    # As often as there may be something new to see; 15 s by default.
    watchful = {"horizontal-pod-autoscaler-sync-period": "5s"}
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": build_options(files, addresses, programs, options),
        "componentsPatches": [
            _patch("etcd", build_etcd_arguments(), override=True),
            _patch("kube-apiserver", build_api_server_arguments(files, addresses, options)),
            _patch("kube-controller-manager", service_range | alone | watchful),
            _patch("kube-scheduler", alone),
            _patch("kwok-controller", build_kwok_arguments()),
        ],
    }


def build_options(
    files: Files, addresses: Addresses, programs: Path, options: Options
) -> dict[str, object]:
    """What kwokctl has words for."""
    binaries = {f"{key}Binary": str(programs / name) for name, key in _PROGRAMS.items()}
    audit = {"kubeAuditPolicy": str(audit_policy_of(files))} if options.audit else {}
    return {
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
    }


def build_etcd_arguments() -> dict[str, str]:
    """The cluster's memory: fast, because it is thrown away, and private."""
    return {
        "unsafe-no-fsync": "true",
        # It asks nobody who they are, so pods and other users of this machine must not reach it.
        "listen-client-urls": f"http://127.0.0.1:{_ETCD_PORT}",
        "listen-peer-urls": f"http://127.0.0.1:{_ETCD_PORT + 1}",
    }


def build_api_server_arguments(
    files: Files, addresses: Addresses, options: Options
) -> dict[str, str]:
    """What makes the API reachable from pods, and the kubelet from the API."""
    certificates = files.kwok / "pki"
    arguments = {
        "service-cluster-ip-range": str(addresses.services),
        # Else the Service `kubernetes` points to where nobody listens.
        "advertise-address": str(addresses.node),
        # Else `kubectl logs` and `exec` look up the node's name, and come to the kubelet as nobody.
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-client-certificate": str(certificates / "admin.crt"),
        "kubelet-client-key": str(certificates / "admin.key"),
        # Aggregated APIs (metrics-server) believe the API server who asks; kwokctl gives it the
        # certificate for that, but does not publish whom to believe.
        "requestheader-client-ca-file": str(certificates / "ca.crt"),
        "requestheader-allowed-names": _ADMIN,
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    }
    return arguments | ({"audit-log-maxsize": "1000"} if options.audit else {})


def build_kwok_arguments() -> dict[str, str]:
    """By default kwok plays every node, and would call real pods running with made-up addresses."""
    return {
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": f"{FAKE_NODE_ANNOTATION}=fake",
    }


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


def _patch(
    component: str, arguments: dict[str, str], *, override: bool = False
) -> dict[str, object]:
    extra = [{"key": key, "value": value, "override": override} for key, value in arguments.items()]
    return {"name": component, "extraArgs": extra}
