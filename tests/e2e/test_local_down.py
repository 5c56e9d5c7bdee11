"""`down` leaves nothing: no process, mount, link, namespace, table, route or cgroup."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from modelyard_local import cgroups, clusters, node_config, processes, state
from tests.support.waiting import wait_for

NAME = "down-test"

POD = f"""
apiVersion: v1
kind: Secret
metadata: {{name: small, namespace: default}}
stringData: {{word: x}}
---
apiVersion: v1
kind: Pod
metadata: {{name: pause, namespace: default, labels: {{app: pause}}}}
spec:
  containers:
  - name: pause
    image: {node_config.PAUSE_IMAGE}
    volumeMounts:
    - {{name: memory, mountPath: /memory}}
    - {{name: secret, mountPath: /secret}}
  volumes:
  - {{name: memory, emptyDir: {{medium: Memory}}}}
  - {{name: secret, secret: {{secretName: small}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: pause, namespace: default}}
spec: {{selector: {{app: pause}}, ports: [{{port: 80}}]}}
"""

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root on Linux, as the cluster does"),
]


def end_nothing(_files, _record):
    """The cluster runs as it should."""


def end_containerd(_files, record):
    """Pods lose their keeper and live on."""
    processes.end([p for p in record.processes if p.name == "containerd"], grace_seconds=0)


def lose_the_record(files, _record):
    """As after an `up` that was killed before it wrote anything."""
    files.record.unlink()


@pytest.fixture
def running():
    cluster = clusters.up(NAME)
    cluster.kubectl("apply", "-f", "-", input=POD)
    wait_for(lambda: is_running(cluster), what="the pod", seconds=60)
    yield cluster
    clusters.down(NAME)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("damage", [end_nothing, end_containerd, lose_the_record])
def test_down_leaves_nothing(damage):
    files = state.files_of(NAME)
    record = state.read(files)
    ours = find_processes(files)
    assert len(ours) > len(record.processes)  # the pod's processes and its shim are among them
    damage(files, record)

    clusters.down(NAME)

    assert [process for process in ours if processes.is_alive(process)] == []
    assert find_left(files, record.addresses) == []
    assert sorted(path.name for path in files.folder.iterdir()) == ["images", "logs"]


@pytest.mark.usefixtures("running")
def test_down_may_be_repeated_and_purge_removes_the_folder():
    clusters.down(NAME)
    clusters.down(NAME, purge=True)
    clusters.down(NAME, purge=True)
    assert not state.files_of(NAME).folder.exists()


def is_running(cluster):
    phase = "jsonpath={.status.phase}"
    return cluster.kubectl("get", "pod", "pause", "-n", "default", "-o", phase) == "Running"


def find_processes(files):
    """Every process of the cluster: on record, in its network, in its pods."""
    found = [
        *state.read(files).processes,
        *processes.find_in_network(files.namespace),
        *cgroups.find_processes(files.namespace_name),
    ]
    return list({process.pid: process for process in found}.values())


def find_left(files, addresses):
    """Lines of the machine's state that name the cluster or its addresses."""
    marks = [
        str(files.folder),
        files.namespace_name,
        addresses.host_link,
        str(addresses.pods).partition("/")[0],
        str(addresses.services).partition("/")[0],
        str(addresses.gateway),
    ]
    shown = [
        Path("/proc/self/mountinfo").read_text(),
        run("ip", "-oneline", "address"),
        run("ip", "route", "show", "table", "all"),
        run("ip", "netns"),
        run("nft", "list", "ruleset"),
        run("find", "/sys/fs/cgroup", "-maxdepth", "2", "-type", "d"),
        run("find", "/var/lib/cni", "/var/lib/kubelet", "/run/containerd", "-mindepth", "1"),
        run("ps", "-eo", "args"),
    ]
    # Whole numbers: 172.30.255.1 is not named by a line about 172.30.255.10.
    named = re.compile("|".join(rf"(?<!\d){re.escape(mark)}(?!\d)" for mark in marks))
    return [line for line in "\n".join(shown).splitlines() if named.search(line)]


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
