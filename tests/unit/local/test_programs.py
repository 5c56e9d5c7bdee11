"""The pinned programs and the packages that they need."""

import re

import pytest

from modelyard_local import programs, requirements, toolchain
from modelyard_local.programs import Group

SOURCES = {"go.mod": b"module x", "go.sum": b"sum"}


@pytest.mark.parametrize(
    ("group", "sources"),
    [
        pytest.param(Group("x"), {**SOURCES, "go.mod": b"module y"}, id="another pin"),
        pytest.param(Group("x"), {**SOURCES, "go.sum": b"other"}, id="another checksum"),
        pytest.param(Group("x"), {**SOURCES, "main.go": b""}, id="another source"),
        pytest.param(Group("x", tags="t"), SOURCES, id="another tag"),
        pytest.param(Group("x", ldflags="-s"), SOURCES, id="another flag"),
        pytest.param(Group("x", renames={"a": "b"}), SOURCES, id="another name"),
    ],
)
def test_what_changes_a_program_changes_its_folder(group, sources):
    assert programs.build_key(group, sources) != programs.build_key(Group("x"), SOURCES)


def test_the_same_content_has_the_same_folder():
    again = dict(reversed(SOURCES.items()))
    assert programs.build_key(Group("x"), again) == programs.build_key(Group("x"), SOURCES)


@pytest.mark.parametrize("name", programs.GROUPS)
def test_every_group_has_a_locked_module(name):
    group = programs.GROUPS[name]
    folder = programs.SOURCES / (group.module or group.name)
    assert (folder / "go.sum").stat().st_size > 0
    assert "tool" in (folder / "go.mod").read_text()


def test_kubernetes_calls_itself_by_the_version_of_its_module():
    module = (programs.SOURCES / "kubernetes/go.mod").read_text()
    (version,) = re.findall(r"k8s\.io/kubernetes (v\S+)", module)
    assert f"gitVersion={version}" in programs.GROUPS["kubernetes"].ldflags


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go version go1.26.8 linux/amd64\n", (1, 26)),
        ("go version go1.27rc1 linux/arm64\n", (1, 27)),
        ("gcc: error", (0, 0)),
    ],
)
def test_go_says_its_version(answer, version):
    assert toolchain.parse_go_version(answer) == version


def test_packages_are_missing_per_use():
    have = ["ip", "nsenter", "sysctl", "mount", "nft", "skopeo", "mmdebstrap"]
    missing = {
        use: [package.name for package in requirements.find_missing_packages(use, have)]
        for use in ("cluster", "node", "images")
    }
    assert missing == {"cluster": [], "node": ["runc"], "images": ["buildah"]}


def test_every_package_says_why():
    assert all(package.reason and package.uses for package in requirements.PACKAGES)
