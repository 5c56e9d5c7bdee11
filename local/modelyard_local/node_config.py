"""Configuration of the real node: containerd, CNI, kubelet, kube-proxy, CoreDNS."""

import json
from dataclasses import dataclass
from pathlib import Path

from .addresses import Addresses

# Of the node's own mount namespace, as are all paths in /run.
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/modelyard/pause:local"
KUBELET_PORT = 10250
DNS_READY_PORT = 8181
PROXY_HEALTH_PORT = 10256


@dataclass(frozen=True)
class Node:
    """What the configuration of one node depends on."""

    name: str
    cgroup: str
    addresses: Addresses
    programs: Path
    images: Path
    configuration: Path
    kubeconfig: Path
    authority: Path
    runc: Path
    cgroup_v1: bool


def build_files(node: Node) -> dict[str, str]:
    """File name in the configuration folder → content."""
    return {
        "containerd.toml": build_containerd(node),
        "cni/10-modelyard.conflist": json.dumps(build_cni(node), indent=1),
        "kubelet.json": json.dumps(build_kubelet(node), indent=1),
        "kube-proxy.json": json.dumps(build_kube_proxy(node), indent=1),
        "Corefile": build_corefile(node),
    }


def build_containerd(node: Node) -> str:
    """Containerd's configuration, version 3."""
    return f"""\
version = 3
root = "{node.images}"
state = "/run/containerd"

[grpc]
address = "{CONTAINERD_SOCKET}"

# Layers are put into the store before the image that names them: a collection that starts by
# itself in between would take them for garbage. Removing an image starts one.
[plugins.'io.containerd.gc.v1.scheduler']
mutation_threshold = 1000000000

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
# Without CAP_SYS_RESOURCE, which containers and sandboxed machines lack, runc dies on a lower
# score.
restrict_oom_score_adj = true
# Else a file per pod stays behind in the host's /run/netns.
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{node.programs}"]
conf_dir = "{node.configuration}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{node.runc}"
SystemdCgroup = false
"""


def build_cni(node: Node) -> dict[str, object]:
    """One bridge for all pods. It enforces no NetworkPolicy."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": str(node.addresses.pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/containerd/addresses",
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": ipam,
    }
    ports = {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": node.cgroup, "plugins": [bridge, ports]}


def build_kubelet(node: Node) -> dict[str, object]:
    """The kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(node.addresses.node),
        "port": KUBELET_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(node.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",  # kubelets that share one clear each other's pods
        "failCgroupV1": not node.cgroup_v1,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        # The machine is not the cluster's alone: it evicts only when almost nothing is left, and
        # keeps its images.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        # How soon pods see that a Secret or ConfigMap has changed; 60 to 90 s by default.
        "syncFrequency": "10s",
        "clusterDomain": "cluster.local",
        "clusterDNS": [str(node.addresses.node)],
    }


def build_kube_proxy(node: Node) -> dict[str, object]:
    """kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(node.kubeconfig)},
        "clusterCIDR": str(node.addresses.pods),
        "hostnameOverride": node.name,
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "conntrack": {"maxPerCore": 0},  # the machine's limits are not ours to set
    }


def build_corefile(node: Node) -> str:
    """The cluster's DNS; names outside the cluster are refused at once instead of timing out."""
    return f"""\
.:53 {{
    bind {node.addresses.node}
    errors
    ready 127.0.0.1:{DNS_READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {node.kubeconfig}
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""
