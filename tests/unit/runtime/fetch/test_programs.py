"""Which files are fetched of formats that are one file, and of weights with their class."""

import pytest

from modelyard_api.fetch import ModelSource
from modelyard_api.v1alpha1 import Format
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.programs import Asked
from modelyard_runtime.fetch.selection import select_files

HUB = ("config.json", "model.safetensors", "onnx/model.onnx", "onnx/model_int8.onnx")
CLASS = Asked(entrypoint="net:Net")


def select(names, asked, path=""):
    """Targets by name in the repository."""
    files = [RemoteFile(name, 1, blob_sha1="0" * 40) for name in names]
    chosen = select_files(files, ModelSource("acme/tiny", path), asked)
    return {one.file.name: one.target for one in chosen}


def same(*names):
    return {name: name for name in names}


@pytest.mark.parametrize(
    ("names", "asked", "path", "expected"),
    [
        pytest.param(
            ("a.onnx", "labels.json", "README.md"),
            Asked(),
            "",
            same("a.onnx", "labels.json"),
            id="the only ONNX file, with its labels",
        ),
        pytest.param(
            ("model.onnx", "model.onnx.data", "x.onnx_data", "model.bin", "b/w.data"),
            Asked(),
            "",
            same("model.onnx", "model.onnx.data"),
            id="weights beside an ONNX file",
        ),
        pytest.param(
            ("m.keras", "m.h5"), Asked(), "", same("m.keras"), id="the better file of Keras"
        ),
        pytest.param(("m.pt2",), Asked(), "", same("m.pt2"), id="an exported program"),
        pytest.param(
            HUB,
            Asked(Format.ONNX),
            "",
            {"config.json": "config.json", "onnx/model.onnx": "model.onnx"},
            id="an export in a folder, where it is asked for",
        ),
        pytest.param(
            HUB, Asked(), "", same("config.json", "model.safetensors"), id="no export otherwise"
        ),
        pytest.param(
            HUB,
            Asked(),
            "onnx/model_int8.onnx",
            {"onnx/model_int8.onnx": "model_int8.onnx"},
            id="an export by its name",
        ),
        pytest.param(
            ("m.pt", "signature.json"),
            Asked(Format.TORCHSCRIPT),
            "",
            same("m.pt", "signature.json"),
            id="TorchScript, where it is asked for",
        ),
        pytest.param(
            ("config.json", "model.pth", "net.py", "train.py"),
            CLASS,
            "",
            same("config.json", "model.pth", "net.py"),
            id="weights with their class, and no other code",
        ),
        pytest.param(
            ("v2/config.json", "v2/model.pth", "v2/net.py", "net.py"),
            CLASS,
            "v2",
            {"v2/config.json": "config.json", "v2/model.pth": "model.pth", "v2/net.py": "net.py"},
            id="weights with their class in a folder",
        ),
        pytest.param(
            ("a.pth", "b.pth", "net.py", "config.json"),
            CLASS,
            "b.pth",
            same("b.pth", "net.py", "config.json"),
            id="weights by their name",
        ),
    ],
)
def test_the_model_and_what_it_needs_are_fetched(names, asked, path, expected):
    assert select(names, asked, path) == expected


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        pytest.param(
            ("a.onnx", "b.onnx"), Asked(), r"holds 2 models, .*: a\.onnx, b\.onnx", id="two files"
        ),
        pytest.param(
            ("a.onnx", "b.keras"), Asked(), r"holds 2 models, .*: a\.onnx, b\.keras", id="two kinds"
        ),
        pytest.param(
            ("config.json", "tf_model.h5"), Asked(), "is not served", id="TensorFlow's weights"
        ),
        pytest.param(("m.pt",), Asked(), "Python pickles only", id="a pickle, or TorchScript"),
        pytest.param(
            ("model.pth", "net.py"), Asked(), "Python pickles only", id="a class nobody named"
        ),
    ],
)
def test_what_is_ambiguous_or_not_asked_for_is_refused(names, asked, message):
    with pytest.raises(CannotStart, match=message) as refused:
        select(names, asked)
    assert refused.value.hint
