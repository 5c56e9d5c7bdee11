"""Which objects of a bucket a path speaks of."""

import pytest

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.s3 import choose_files, is_file


def files(*names, size=1):
    return [RemoteFile(name, size, etag='"0"') for name in names]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", False),
        ("llm/tiny", False),
        ("llm/qwen2.5-0.5b", False),
        ("llm/tiny.gguf", True),
        ("llm/model.SafeTensors", True),
        ("llm/pytorch_model.bin", True),
    ],
)
def test_a_file_is_told_from_a_folder_by_its_suffix(path, expected):
    assert is_file(path) is expected


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        (["a", "m/b"], "", ["a", "m/b"]),
        (["m/a", "m/x/b"], "m", ["m/a", "m/x/b"]),
        (["m/a.gguf", "m/b.gguf"], "m/a.gguf", ["m/a.gguf"]),
        (["m/a.safetensors", "m/config.json"], "m/a.safetensors",
         ["m/a.safetensors", "m/config.json"]),
        (["m/b.gguf"], "m/a.gguf", ["m/b.gguf"]),
    ],
    ids=[
        "a bucket",
        "a folder",
        "a GGUF file, alone",
        "other weights, with what is beside them",
        "a file that is not there, so that the refusal can name those that are",
    ],
)  # fmt: skip
def test_a_path_speaks_of_these(names, path, expected):
    assert [file.name for file in choose_files(files(*names), path)] == expected


def test_objects_of_no_bytes_are_no_files():
    folders = files("m/logs", size=0)
    assert choose_files([*folders, *files("m/a")], "m") == tuple(files("m/a"))


@pytest.mark.parametrize("name", ["other/a", "m", "mm/a"])
def test_what_was_not_asked_for_is_refused(name):
    with pytest.raises(CannotStart, match="could leave the model folder") as caught:
        choose_files(files("m/a", name), "m")
    assert caught.value.reason == "ModelUnsafe"
    assert repr(name) in caught.value.message
