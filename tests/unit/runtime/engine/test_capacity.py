"""What a process may use, from the files of cgroup version 1, version 2 and both."""

from pathlib import PurePosixPath

import pytest

from modelyard_runtime.capacity import (
    Capacity,
    cache_budget_bytes,
    count_threads,
    derive_capacity,
    find_directories,
    limit_cpus,
    limit_memory,
    parse_mem_total,
    parse_memberships,
    parse_mounts,
    read_capacity,
)

GIB = 1024**3
UNLIMITED_V1 = "9223372036854771712\n"

V2_MOUNTS = "30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate\n"
V1_MOUNTS = (
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n"
    "33 30 0:29 / / rw - overlay overlay rw,lowerdir=/a\n"
)
HYBRID_MOUNTS = V1_MOUNTS + (
    "34 30 0:30 / /sys/fs/cgroup/unified rw shared:12 - cgroup2 cgroup2 rw\n"
)
V1_POD_MOUNTS = V1_MOUNTS.replace("0:27 / ", "0:27 /kubepods/pod7/c1 ").replace(
    "0:28 / ", "0:28 /kubepods/pod7/c1 "
)


@pytest.mark.parametrize(
    ("mounts", "cgroup", "files", "limits"),
    [
        pytest.param(
            V2_MOUNTS,
            "0::/\n",
            {
                "/sys/fs/cgroup/cpu.max": "150000 100000\n",
                "/sys/fs/cgroup/memory.max": "1073741824",
            },
            (1.5, GIB),
            id="version 2, a container with its own namespace",
        ),
        pytest.param(
            V2_MOUNTS,
            "0::/kubepods/pod7/c1\n",
            {
                "/sys/fs/cgroup/kubepods/pod7/c1/cpu.max": "max 100000",
                "/sys/fs/cgroup/kubepods/pod7/cpu.max": "200000 100000",
                "/sys/fs/cgroup/kubepods/pod7/c1/memory.max": "max",
                "/sys/fs/cgroup/kubepods/pod7/memory.max": "2147483648",
            },
            (2.0, 2 * GIB),
            id="version 2, the limit stands on the pod above the container",
        ),
        pytest.param(
            V2_MOUNTS,
            "0::/../other\n",
            {"/sys/fs/cgroup/cpu.max": "50000 100000"},
            (0.5, None),
            id="version 2, moved out of its namespace",
        ),
        pytest.param(
            V1_POD_MOUNTS,
            "4:memory:/kubepods/pod7/c1\n3:cpu,cpuacct:/kubepods/pod7/c1\n",
            {
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912",
            },
            (4.0, GIB // 2),
            id="version 1, a container",
        ),
        pytest.param(
            HYBRID_MOUNTS,
            "4:memory:/job\n3:cpu,cpuacct:/\n0::/\n",
            {
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": UNLIMITED_V1,
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296",
            },
            (None, 4 * GIB),
            id="hybrid, the controllers are in version 1",
        ),
        pytest.param("", "", {}, (None, None), id="no cgroups"),
    ],
)
def test_limits(mounts, cgroup, files, limits):
    def read(path: PurePosixPath):
        return files.get(str(path))

    parsed, memberships = parse_mounts(mounts), parse_memberships(cgroup)
    assert (
        limit_cpus(find_directories(parsed, memberships, "cpu"), read),
        limit_memory(find_directories(parsed, memberships, "memory"), read),
    ) == limits


@pytest.mark.parametrize(
    ("affinity", "quota", "threads"),
    [
        pytest.param(8, None, 8, id="no quota"),
        pytest.param(64, 2.5, 2, id="a part of a core gets no thread"),
        pytest.param(64, 0.3, 1, id="at least one"),
        pytest.param(2, 16.0, 2, id="never more than cores"),
    ],
)
def test_threads(affinity, quota, threads):
    assert count_threads(affinity, quota) == threads


@pytest.mark.parametrize(
    ("threads", "capacity"),
    [
        pytest.param(1, Capacity(1, GIB, 8, 32), id="one core"),
        pytest.param(2, Capacity(2, GIB, 16, 64), id="two cores"),
        pytest.param(32, Capacity(32, GIB, 64, 256), id="many cores"),
    ],
)
def test_bounds_follow(threads, capacity):
    assert derive_capacity(threads, GIB) == capacity


def test_the_cache_gets_what_the_process_leaves():
    assert cache_budget_bytes(2 * GIB, GIB) == GIB * 7 // 10
    assert cache_budget_bytes(GIB, 2 * GIB) == 0


def test_the_memory_of_the_host():
    assert parse_mem_total("MemTotal:       16384 kB\nMemFree: 1 kB\n") == 16384 * 1024
    assert parse_mem_total("") is None


def test_this_process_has_a_capacity():
    capacity = read_capacity()
    assert capacity.threads >= 1
    assert capacity.memory_bytes > 0
