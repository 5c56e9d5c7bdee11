"""The pinned programs: Go modules under local/programs, built once and cached by content."""

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from . import toolchain
from .errors import LocalError
from .locks import exclusive
from .paths import REPOSITORY, cache_root
from .progress import Report, pulsing, run_logged

SOURCES = REPOSITORY / "local/programs"

# As in kubernetes/go.mod; the ldflags make the programs say so, else they say v0.0.0.
_KUBERNETES = "v1.36.3"
_STRIP = "-s -w"


@dataclass(frozen=True)
class Group:
    """One Go module: its dependencies must agree with one another, not with other groups'."""

    name: str
    module: str = ""  # its folder, where that is not the name
    ldflags: str = _STRIP
    tags: str = ""
    packages: tuple[str, ...] = ("tool",)  # all tools of go.mod
    renames: dict[str, str] = field(default_factory=dict)


def _kubernetes_ldflags(version: str) -> str:
    major, minor, _ = version.removeprefix("v").split(".")
    base = "k8s.io/component-base/version"
    values = {
        f"{base}.gitVersion": version,
        f"{base}.gitMajor": major,
        f"{base}.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": version,
    }
    return " ".join([_STRIP, *(f"-X {name}={value}" for name, value in values.items())])


GROUPS = {
    group.name: group
    for group in (
        Group("kubernetes", ldflags=_kubernetes_ldflags(_KUBERNETES), renames={"server": "etcd"}),
        # For machines with Docker, which need nothing else of Kubernetes.
        Group(
            "kubectl",
            module="kubernetes",
            ldflags=_kubernetes_ldflags(_KUBERNETES),
            packages=("k8s.io/kubernetes/cmd/kubectl",),
        ),
        Group("kwok"),
        Group("node", tags="no_btrfs,no_zfs", packages=("tool", "./pause")),
        Group("helm"),
        Group("dns"),
        # The tests' alone: alerts and scrapes are tried with the real programs. No discovery of
        # clouds, which would double the build.
        Group("prometheus", tags="remove_all_sd"),
        Group("metrics-server"),
        # The tests' alone: models come from a real S3 server.
        Group("s3"),
        # Only where Docker is, and to check kind-config.yaml.
        Group("kind", packages=("tool", "./checkconfig")),
    )
}
CONTROL_PLANE = ("kubernetes", "kwok")
NODE = ("node", "dns")
EVERYDAY = (*CONTROL_PLANE, *NODE, "helm")


def build_key(group: Group, sources: dict[str, bytes]) -> str:
    """The name of a group's cache folder: another content, another folder."""
    digest = hashlib.sha256()
    for part in (
        group.ldflags,
        group.tags,
        *group.packages,
        *map(str, sorted(group.renames.items())),
    ):
        digest.update(part.encode() + b"\0")
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name] + b"\0")
    return f"{group.name}-{digest.hexdigest()[:16]}"


def folder_of(group: Group) -> Path:
    """Where a group's programs lie once built."""
    source = _source(group)
    files = [*source.glob("go.*"), *source.rglob("*.go")]
    if not files:
        raise LocalError(f"{source} holds no Go module; is the checkout complete?")
    return (
        cache_root()
        / "programs"
        / build_key(group, {str(f.relative_to(source)): f.read_bytes() for f in files})
    )


def missing(*names: str) -> list[str]:
    """The groups of `names` that must still be built."""
    return [name for name in names if not folder_of(GROUPS[name]).exists()]


def ensure(*names: str, report: Report = print) -> Path:
    """Build what is missing of the groups; returns one folder with links to their programs."""
    built = False
    for name in names:
        folder = folder_of(GROUPS[name])
        if not folder.exists():
            built |= _build_once(GROUPS[name], folder, report)
    if built and not missing(*EVERYDAY):
        with pulsing("removing Go's caches", report):
            drop_go_caches()
    return _link(names)


def drop_go_caches() -> None:
    """Remove Go's downloads and intermediate results: 17 GB that nothing needs any more."""
    for folder in (_module_cache(), _build_cache()):
        if folder.exists():
            for parent, _, _ in os.walk(folder):  # Go makes module folders read-only
                Path(parent).chmod(0o700)
            shutil.rmtree(folder)


def _build_once(group: Group, folder: Path, report: Report) -> bool:
    def say_waiting() -> None:
        report(f"another process builds the {group.name} programs; waiting …")

    with exclusive(folder.with_suffix(".lock"), waiting=say_waiting):
        if folder.exists():
            return False
        _build(group, folder, report)
        return True


def _build(group: Group, folder: Path, report: Report) -> None:
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    go = toolchain.ensure_go(report)
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(_module_cache()),
        "GOCACHE": str(_build_cache()),
    }
    options = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", group.ldflags]
    if group.tags:
        options += ["-tags", group.tags]
    run_logged(
        [go, "build", *options, "-o", f"{fresh}/", *group.packages],
        title=f"building the {group.name} programs (once; the first time takes minutes)",
        log=cache_root() / f"logs/build-{group.name}.log",
        report=report,
        env=environment,
        cwd=_source(group),
    )
    for old, new in group.renames.items():
        (fresh / old).rename(fresh / new)
    fresh.rename(folder)


def _link(names: tuple[str, ...]) -> Path:
    """A folder for PATH. It belongs to this set of pins, so that other checkouts keep theirs."""
    keys = map(folder_of, GROUPS.values())
    digest = hashlib.sha256("".join(key.name for key in keys).encode()).hexdigest()[:16]
    links = cache_root() / "programs" / f"bin-{digest}"
    links.mkdir(parents=True, exist_ok=True)
    for name in names:
        for program in folder_of(GROUPS[name]).iterdir():
            link = links / program.name
            if not link.exists():
                fresh = links / f".{program.name}.{os.getpid()}"
                fresh.symlink_to(program)
                fresh.replace(link)
    return links


def _source(group: Group) -> Path:
    return SOURCES / (group.module or group.name)


def _module_cache() -> Path:
    return cache_root() / "go/mod"


def _build_cache() -> Path:
    return cache_root() / "go/build"
