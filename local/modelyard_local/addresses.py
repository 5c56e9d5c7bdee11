"""Address ranges of clusters: each has its own, so that several run and the host reaches all."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from .errors import LocalError

CLUSTERS_AT_MOST = 64
API_PORT = 6443

_LINKS = IPv4Network("172.30.255.0/24")  # one /30 per cluster
_PODS = IPv4Network("172.30.0.0/18")  # one /24 per cluster
_SERVICES_FIRST_OCTET = 160  # 10.160.0.0/16 to 10.223.0.0/16: a /24 ends after 250 Services


@dataclass(frozen=True)
class Addresses:
    """The ranges of one cluster, all derived from its index."""

    index: int

    @property
    def link(self) -> IPv4Network:
        """The two ends of the veth pair."""
        return list(_LINKS.subnets(new_prefix=30))[self.index]

    @property
    def pods(self) -> IPv4Network:
        """Pod addresses of the one real node."""
        return list(_PODS.subnets(new_prefix=24))[self.index]

    @property
    def services(self) -> IPv4Network:
        """Cluster addresses of Services."""
        return IPv4Network(f"10.{_SERVICES_FIRST_OCTET + self.index}.0.0/16")

    @property
    def gateway(self) -> IPv4Address:
        """The host's end of the veth pair."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The cluster's end of the veth pair: API server and node listen here."""
        return self.link[2]

    @property
    def bridge(self) -> IPv4Address:
        """The pods' gateway; the cluster's DNS listens here."""
        return self.pods[1]

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The Service `kubernetes`, always the first of its range."""
        return self.services[1]

    @property
    def api_server(self) -> str:
        """The URL of the API server, for host and cluster."""
        return f"https://{self.node}:{API_PORT}"

    @property
    def host_link(self) -> str:
        """The name of the host's network interface."""
        return f"modelyard{self.index}"

    def overlaps(self, networks: Iterable[IPv4Network]) -> bool:
        """Whether any range is already in use by one of `networks`."""
        mine = (self.link, self.pods, self.services)
        return any(own.overlaps(other) for own in mine for other in networks)


def allot(taken: Iterable[int], host_networks: Iterable[IPv4Network]) -> Addresses:
    """The first ranges that no cluster has and that the host does not use."""
    used, networks = set(taken), list(host_networks)
    for index in range(CLUSTERS_AT_MOST):
        addresses = Addresses(index)
        if index not in used and not addresses.overlaps(networks):
            return addresses
    raise LocalError(
        f"no free address range: {len(used)} clusters exist, the host's own routes use the rest of "
        f"{_LINKS}, {_PODS} and 10.160.0.0-10.223.255.255; end a cluster with `down NAME`"
    )
