"""What this machine must have, each with the reason; what Debian packages can give is installed."""

import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from . import cgroups
from .errors import RequirementsMissing
from .paths import cache_root
from .progress import Report, run_logged

# Go's caches take 17 GB while the programs are built, an image with torch as much.
FREE_GIB_TO_BUILD = 30


@dataclass(frozen=True)
class Package:
    """A Debian package, recognised by a program of it."""

    name: str
    program: str
    reason: str
    uses: tuple[str, ...]  # of "cluster", "node", "images"


PACKAGES = (
    Package(
        "iproute2", "ip", "makes the network namespace and the veth pair of a cluster", ("cluster",)
    ),
    Package("util-linux", "nsenter", "starts programs inside a cluster's namespaces", ("cluster",)),
    Package(
        "procps",
        "sysctl",
        "turns on forwarding between pods and host inside a cluster",
        ("cluster",),
    ),
    Package(
        "runc",
        "runc",
        "runs containers; Debian's has seccomp, one built from the Go module has not",
        ("node",),
    ),
    Package("nftables", "nft", "kube-proxy writes Services into its tables", ("node",)),
    Package("mount", "mount", "gives the kubelet mounts of its own", ("node",)),
    Package(
        "buildah", "buildah", "builds images from the Dockerfiles without a daemon", ("images",)
    ),
    Package("skopeo", "skopeo", "hands built images on without compressing them", ("images",)),
    Package(
        "mmdebstrap", "mmdebstrap", "makes the base image where there is no registry", ("images",)
    ),
)


def find_missing_packages(use: str, has_program: Iterable[str]) -> list[Package]:
    """The packages for a use whose programs are not among those present."""
    present = set(has_program)
    return [
        package for package in PACKAGES if use in package.uses and package.program not in present
    ]


def ensure(*uses: str, builds: bool, report: Report) -> None:
    """Install what packages can give; raise RequirementsMissing with everything else that lacks."""
    here = [package.program for package in PACKAGES if _has_program(package.program)]
    packages = {
        package.name: package for use in uses for package in find_missing_packages(use, here)
    }
    problems = [*_find_problems(uses, builds=builds)]
    may_install = os.environ.get("MODELYARD_INSTALL", "yes") != "no"
    if packages and (
        problems or not may_install or not shutil.which("apt-get") or os.geteuid() != 0
    ):
        problems += [
            f"package {each.name} is missing ({each.reason})" for each in packages.values()
        ]
        problems.append(
            f"cure for the packages: apt-get install --no-install-recommends {' '.join(packages)}"
        )
    if problems:
        raise RequirementsMissing(problems)
    if packages:
        _install(packages, report)


def _find_problems(uses: Collection[str], *, builds: bool) -> Iterable[str]:
    if os.uname().sysname != "Linux":
        yield f"{os.uname().sysname} is not Linux: install Docker, then a kind cluster is used"
        return
    if os.geteuid() != 0:
        yield "not root: namespaces and mounts need it; run as root (sudo -E), or install Docker"
    if "node" in uses and not cgroups.has_controllers():
        yield "no cgroups under /sys/fs/cgroup: mount them, or use a machine that has them"
    free_gib = _free_bytes() / 2**30
    if builds and free_gib < FREE_GIB_TO_BUILD:
        yield (
            f"{free_gib:.0f} GiB free in {cache_root()}, {FREE_GIB_TO_BUILD} needed to build: "
            "free some, or point MODELYARD_CACHE to a larger disk"
        )


def _install(packages: Collection[str], report: Report) -> None:
    report(f"installing Debian packages: {' '.join(packages)}")
    log = cache_root() / "logs/apt.log"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    for argv in (["apt-get", "update"], install):
        run_logged(argv, title=" ".join(argv[:2]), log=log, report=report, env=environment)


def _has_program(program: str) -> bool:
    # Debian's sbin folders are not on every user's PATH
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _free_bytes() -> int:
    folder = cache_root()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
