"""Names, registry settings, nodes, and the words for a shell."""

from pathlib import Path

import pytest

from modelyard_local import nodes, paths, registry_settings, shell, state
from modelyard_local.clusters import Cluster
from modelyard_local.errors import LocalError
from modelyard_local.processes import Process
from modelyard_local.state import Files, Record


@pytest.mark.parametrize("name", ["dev", "a", "op-2", "x" * 30])
def test_usable_cluster_names(name):
    assert paths.parse_cluster_name(name) == name


@pytest.mark.parametrize("name", ["", "Dev", "1a", "a_b", "a/b", "..", "-a", "a-", "x" * 31])
def test_unusable_cluster_names_are_refused(name):
    with pytest.raises(LocalError, match="is not usable"):
        paths.parse_cluster_name(name)


def test_builds_get_registry_settings_and_nothing_else():
    environment = {
        "PIP_INDEX_URL": "https://user:pass word@index",
        "UV_DEFAULT_INDEX": "https://index",
        "HTTPS_PROXY": "http://proxy",
        "PIP_TARGET": "/somewhere",
        "UV_CACHE_DIR": "/host/cache",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PATH": "/bin",
    }
    lines = registry_settings.build_lines(registry_settings.choose(environment))
    assert lines == (
        "export HTTPS_PROXY=http://proxy\n"
        "export PIP_INDEX_URL='https://user:pass word@index'\n"
        "export UV_DEFAULT_INDEX=https://index\n"
    )


def test_a_played_node_is_marked_for_kwok():
    node = nodes.build_fake_node(
        "gpu-1", capacity={"nvidia.com/gpu": "8"}, labels={"zone": "a"}, tainted=True
    )
    assert node == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "gpu-1",
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": "gpu-1",
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "type": "kwok",
                "zone": "a",
            },
        },
        "spec": {
            "taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]
        },
        "status": {
            "capacity": {"nvidia.com/gpu": "8"},
            "allocatable": {"nvidia.com/gpu": "8"},
        },
    }


def test_a_resource_name_is_escaped_in_the_patch():
    assert nodes.build_claim("nvidia.com/gpu", 1) == [
        {"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"},
        {"op": "add", "path": "/status/allocatable/nvidia.com~1gpu", "value": "1"},
    ]


def test_exports_survive_spaces():
    cluster = Cluster(
        name="dev",
        kubeconfig=Path("/a b/kubeconfig"),
        bin=Path("/bin-x"),
        api_server="",
        node_name=None,
        node_address="",
        gateway_address="",
    )
    expected = "export KUBECONFIG='/a b/kubeconfig'\nexport PATH=/bin-x:$PATH"
    assert shell.format_exports(cluster) == expected


def test_a_record_is_read_as_it_was_written(tmp_path):
    files = Files("dev", tmp_path / "dev")
    record = Record("dev", 4, "boot", ready=True, processes=(Process("etcd", 1, 2),))
    state.write(files, record)
    assert state.read(files) == record


@pytest.mark.parametrize("text", [None, "", "{"], ids=["absent", "empty", "torn"])
def test_without_a_whole_record_there_is_none(tmp_path, text):
    files = Files("dev", tmp_path)
    if text is not None:
        files.record.write_text(text)
    assert state.read(files) is None


def test_a_process_of_another_boot_is_not_ours():
    mine = {"name": "dev", "index": 0, "boot": "another"}
    assert not Record(**mine).is_alive()
