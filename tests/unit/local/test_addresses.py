"""Address ranges of clusters."""

from ipaddress import IPv4Network

import pytest

from modelyard_local.addresses import CLUSTERS_AT_MOST, Addresses, allot
from modelyard_local.errors import LocalError


def test_one_cluster_has_these_addresses():
    addresses = Addresses(3)
    shown = {
        "link": str(addresses.link),
        "pods": str(addresses.pods),
        "services": str(addresses.services),
        "gateway": str(addresses.gateway),
        "node": str(addresses.node),
        "kubernetes": str(addresses.kubernetes_service),
        "api_server": addresses.api_server,
        "host_link": addresses.host_link,
    }
    assert shown == {
        "link": "172.30.255.12/30",
        "pods": "172.30.3.0/24",
        "services": "10.163.0.0/16",
        "gateway": "172.30.255.13",
        "node": "172.30.255.14",
        "kubernetes": "10.163.0.1",
        "api_server": "https://172.30.255.14:6443",
        "host_link": "modelyard3",
    }


def test_no_two_clusters_share_an_address():
    everyone = [
        network
        for index in range(CLUSTERS_AT_MOST)
        for network in (
            Addresses(index).link,
            Addresses(index).pods,
            Addresses(index).services,
        )
    ]
    pairs = [(a, b) for n, a in enumerate(everyone) for b in everyone[n + 1 :] if a.overlaps(b)]
    assert pairs == []


@pytest.mark.parametrize(
    ("taken", "host", "index"),
    [
        pytest.param([], [], 0, id="the first cluster gets the first ranges"),
        pytest.param([0, 2], [], 1, id="a gap is used again"),
        pytest.param([], ["172.30.0.0/24"], 1, id="ranges that the host routes are left alone"),
        pytest.param([0], ["10.161.4.0/24", "172.30.255.8/29"], 4, id="every range must be free"),
        pytest.param([], ["192.168.0.0/16", "10.0.0.0/16"], 0, id="other ranges do not matter"),
    ],
)
def test_ranges_are_allotted(taken, host, index):
    assert allot(taken, map(IPv4Network, host)) == Addresses(index)


def test_a_host_that_uses_everything_is_told_so():
    with pytest.raises(LocalError, match="no free address range"):
        allot([], [IPv4Network("172.16.0.0/12")])


def test_interface_names_fit_the_kernel():
    assert len(Addresses(CLUSTERS_AT_MOST - 1).host_link) <= 15
