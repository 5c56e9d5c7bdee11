"""A network namespace per cluster, joined to the host by a veth pair and routes.

kube-proxy's tables and the programs' ports have fixed names, so clusters need namespaces of their
own; and what listens on all addresses inside one reaches nobody outside this machine.
"""

import json
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from .addresses import Addresses
from .errors import CommandFailed


def read_host_networks() -> list[IPv4Network]:
    """The ranges that the host routes anywhere, its default route aside."""
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]")
    texts = (route["dst"] for route in routes if route.get("dst", "default") != "default")
    return [
        IPv4Network(text, strict=False)
        for text in texts
        if not text.startswith(("127.", "0.0.0.0"))  # noqa: S104 - not an address to bind
    ]


def create(namespace: Path, addresses: Addresses) -> None:
    """Make the namespace, the pair, its addresses and the host's routes to pods and Services."""
    name, link, prefix = namespace.name, addresses.host_link, addresses.link.prefixlen
    inside = ("-netns", name)
    _ip("netns", "add", name)
    _ip(*inside, "link", "set", "lo", "up")
    _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("address", "add", f"{addresses.gateway}/{prefix}", "dev", link)
    _ip("link", "set", link, "alias", name, "up")  # by which `remove` finds it
    _ip(*inside, "address", "add", f"{addresses.node}/{prefix}", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "route", "add", "default", "via", str(addresses.gateway))
    for network in (addresses.pods, addresses.services):
        _ip("route", "add", str(network), "via", str(addresses.node), "dev", link)
    forward = ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]  # of the namespace, not of the host
    _run([*enter(namespace), *forward])


def remove(namespace: Path) -> None:
    """Undo `create`, however far it came. The host's routes go with the link."""
    for alias in Path("/sys/class/net").glob("*/ifalias"):
        if alias.read_text().strip() == namespace.name:
            _ip("link", "delete", alias.parent.name)
    if namespace.exists():
        _ip("netns", "delete", namespace.name)


def enter(namespace: Path) -> list[str]:
    """The words before a command that make it run in the namespace.

    Not `ip netns exec`: that mounts /sys anew, and the kubelet then finds no cgroups.
    """
    return ["nsenter", f"--net={namespace}", "--"]


def _ip(*arguments: str) -> str:
    return _run(["ip", *arguments])


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(" ".join(argv), done.returncode, done.stderr)
    return done.stdout
