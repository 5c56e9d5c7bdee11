"""The configuration of control plane and node."""

import json
import tomllib
from pathlib import Path

import pytest

from modelyard_local import cgroups, control_plane_config, node_config
from modelyard_local.addresses import Addresses
from modelyard_local.control_plane_config import Options
from modelyard_local.node_config import Node
from modelyard_local.state import Files

FILES = Files("dev", Path("/cache/clusters/dev"))
NODE = Node(
    name="dev-node",
    cgroup="modelyard-dev",
    addresses=Addresses(0),
    programs=Path("/bin-x"),
    images=Path("/cache/clusters/dev/images"),
    configuration=Path("/cache/clusters/dev/node/config"),
    kubeconfig=Path("/cache/clusters/dev/kubeconfig"),
    authority=Path("/cache/ca.crt"),
    runc=Path("/usr/sbin/runc"),
    cgroup_v1=True,
)


def arguments_of(config, component):
    (patch,) = [each for each in config["componentsPatches"] if each["name"] == component]
    return {each["key"]: each["value"] for each in patch["extraArgs"]}


def test_services_get_a_range_for_many_and_the_api_is_reachable_from_pods():
    config = control_plane_config.build_config(FILES, Addresses(0), Path("/bin-x"), Options())
    api_server = arguments_of(config, "kube-apiserver")
    assert api_server["service-cluster-ip-range"] == "10.160.0.0/16"
    assert api_server["advertise-address"] == "172.30.255.2"
    assert config["options"]["kubeApiserverCertSANs"] == ["10.160.0.1", "172.30.255.2"]


def test_aggregated_apis_are_told_whom_to_believe():
    config = control_plane_config.build_config(FILES, Addresses(0), Path("/bin-x"), Options())
    api_server = arguments_of(config, "kube-apiserver")
    assert api_server["requestheader-client-ca-file"] == f"{FILES.kwok}/pki/ca.crt"
    # One authority signs all certificates, so a name must tell the API server's from others.
    assert api_server["requestheader-allowed-names"] == "kwok-admin"


def test_kwok_plays_marked_nodes_only():
    config = control_plane_config.build_config(FILES, Addresses(0), Path("/bin-x"), Options())
    assert arguments_of(config, "kwok-controller") == {
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
    }


def test_autoscalers_look_often():
    config = control_plane_config.build_config(FILES, Addresses(0), Path("/bin-x"), Options())
    arguments = arguments_of(config, "kube-controller-manager")
    assert arguments["horizontal-pod-autoscaler-sync-period"] == "5s"


def test_etcd_is_reached_by_the_api_server_alone():
    config = control_plane_config.build_config(FILES, Addresses(0), Path("/bin-x"), Options())
    assert arguments_of(config, "etcd")["listen-client-urls"] == "http://127.0.0.1:2379"


@pytest.mark.parametrize(
    ("options", "limits_off", "policy"),
    [
        pytest.param(Options(), False, None, id="limits stay and nothing is audited"),
        pytest.param(
            Options(audit=True, api_limits=False),
            True,
            "/cache/clusters/dev/audit-policy.yaml",
            id="benchmarks audit without limits",
        ),
    ],
)
def test_options_of_a_control_plane(options, limits_off, policy):
    config = control_plane_config.build_config(FILES, Addresses(0), Path("/bin-x"), options)
    assert config["options"]["disableQPSLimits"] is limits_off
    assert config["options"].get("kubeAuditPolicy") == policy


def test_a_kubeconfig_needs_no_other_file():
    config = control_plane_config.build_kubeconfig("https://a:1", b"ca", b"crt", b"key")
    assert config["clusters"] == [
        {
            "name": "modelyard",
            "cluster": {"server": "https://a:1", "certificate-authority-data": "Y2E="},
        }
    ]
    assert config["users"][0]["user"] == {
        "client-certificate-data": "Y3J0",
        "client-key-data": "a2V5",
    }


def test_containerd_keeps_to_its_folders():
    config = tomllib.loads(node_config.build_containerd(NODE))
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    assert config["root"] == "/cache/clusters/dev/images"
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["netns_mounts_under_state_dir"] is True
    assert runtime["cni"] == {
        "bin_dirs": ["/bin-x"],
        "conf_dir": "/cache/clusters/dev/node/config/cni",
    }


def test_the_kubelet_has_a_cgroup_of_its_own_and_lets_nobody_in_unasked():
    config = node_config.build_kubelet(NODE)
    assert config["cgroupRoot"] == "/modelyard-dev"
    assert config["failCgroupV1"] is False
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["clusterDNS"] == ["172.30.255.2"]


def test_pods_see_changed_secrets_soon():
    assert node_config.build_kubelet(NODE)["syncFrequency"] == "10s"


def test_every_file_of_the_node_is_written():
    files = node_config.build_files(NODE)
    assert sorted(files) == [
        "Corefile",
        "cni/10-modelyard.conflist",
        "containerd.toml",
        "kube-proxy.json",
        "kubelet.json",
    ]
    assert json.loads(files["kube-proxy.json"])["mode"] == "nftables"
    assert "bind 172.30.255.2" in files["Corefile"]


@pytest.mark.parametrize(
    ("mounts", "hierarchies"),
    [
        pytest.param(
            "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n/dev/vda / ext4 rw 0 0\n",
            [(Path("/sys/fs/cgroup"), True)],
            id="version 2",
        ),
        pytest.param(
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
            "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
            "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            [(Path("/sys/fs/cgroup/memory"), False), (Path("/sys/fs/cgroup/unified"), True)],
            id="both",
        ),
    ],
)
def test_cgroup_hierarchies_are_found(mounts, hierarchies):
    assert cgroups.read_hierarchies(mounts) == hierarchies
