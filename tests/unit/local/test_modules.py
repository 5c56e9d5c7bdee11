"""Files of pinned Go modules, from a module proxy in a folder."""

import hashlib
import zipfile
from base64 import b64encode

import pytest

from modelyard_local import modules
from modelyard_local.errors import LocalError
from modelyard_local.modules import Module

PATH, VERSION = "example.com/crds", "v1.2.3"
FILES = {"go.mod": "module example.com/crds\n", "crd/one.yaml": "kind: One\n"}


def checksum():
    """The checksum that go.sum would have."""
    lines = [
        f"{hashlib.sha256(text.encode()).hexdigest()}  {PATH}@{VERSION}/{name}\n"
        for name, text in sorted(FILES.items())
    ]
    return "h1:" + b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """A module proxy with one version, and an empty cache."""
    folder = tmp_path / "proxy" / PATH / "@v"
    folder.mkdir(parents=True)
    (folder / f"{VERSION}.info").write_text(f'{{"Version": "{VERSION}"}}')
    (folder / f"{VERSION}.mod").write_text(FILES["go.mod"])
    with zipfile.ZipFile(folder / f"{VERSION}.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(f"{PATH}@{VERSION}/{name}", text)
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    monkeypatch.setenv("GONOSUMDB", "*")
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.usefixtures("proxy")
def test_a_folder_of_a_module_is_kept(proxy):
    module = Module(PATH, VERSION, checksum(), "crd")
    folder = modules.ensure(module)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"one.yaml": "kind: One\n"}
    for file in proxy.iterdir():
        file.unlink()
    assert modules.ensure(module) == folder
    assert sorted(each.name for each in folder.parent.iterdir()) == [
        "example.com-crds-v1.2.3",
        "example.com-crds-v1.2.3.lock",
    ]


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Module(PATH, VERSION, "h1:other", "crd"), "its checksum is h1:"),
        (Module(PATH, "v9.9.9", checksum(), "crd"), "v9.9.9 cannot be had: .*no such file"),
    ],
)
def test_what_is_not_the_pinned_one_is_refused(module, said):
    with pytest.raises(LocalError, match=said):
        modules.ensure(module)
