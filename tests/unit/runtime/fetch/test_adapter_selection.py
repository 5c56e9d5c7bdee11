"""Which files of a LoRA adapter are fetched, and what is refused."""

import pytest

from modelyard_api.fetch import ModelSource
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.selection import select_adapter


def files(*names):
    return [RemoteFile(name, 1, blob_sha1="0" * 40) for name in names]


def same(*names):
    return {name: name for name in names}


ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        pytest.param(
            (*ADAPTER, "README.md", "tokenizer.json", "training_args.bin", "checkpoint-1/x.json"),
            "",
            same(*ADAPTER),
            id="two files and no other",
        ),
        pytest.param(
            tuple(f"sql/{name}" for name in ADAPTER),
            "sql",
            {f"sql/{name}": name for name in ADAPTER},
            id="a folder",
        ),
        pytest.param((*ADAPTER, "adapter_model.bin"), "", same(*ADAPTER), id="no pickle beside"),
    ],
)
def test_of_an_adapter_only_its_two_files_are_fetched(names, path, expected):
    chosen = select_adapter(files(*names), ModelSource("acme/sql", path))
    assert {one.file.name: one.target for one in chosen} == expected


@pytest.mark.parametrize(
    ("names", "path", "reason", "message"),
    [
        pytest.param(
            ("config.json", "model.safetensors"),
            "",
            "ModelNotFound",
            "hf://acme/sql is no LoRA adapter: it has no adapter_config.json; there are "
            "config.json, model.safetensors",
            id="a whole model",
        ),
        pytest.param(
            ("adapter_config.json", "adapter_model.bin"),
            "",
            "ModelUnsupported",
            "hf://acme/sql has its weights as a Python pickle only (adapter_model.bin); opening "
            "one can run any code",
            id="weights as a pickle",
        ),
        pytest.param(
            ADAPTER,
            "sql",
            "ModelNotFound",
            "hf://acme/sql has no file or folder 'sql'; it holds adapter_config.json, "
            "adapter_model.safetensors",
            id="a folder that is not there",
        ),
        pytest.param(
            (*ADAPTER, "../adapter_config.json"),
            "",
            "ModelUnsafe",
            "The hub lists a file with the name '../adapter_config.json', which could leave the "
            "model folder",
            id="a path outside",
        ),
    ],
)
def test_what_is_no_adapter_is_refused(names, path, reason, message):
    with pytest.raises(CannotStart) as caught:
        select_adapter(files(*names), ModelSource("acme/sql", path))
    assert (caught.value.reason, caught.value.message) == (reason, message)
    assert caught.value.hint
