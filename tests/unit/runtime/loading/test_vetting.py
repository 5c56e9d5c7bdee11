"""A model folder is refused with its reason before any library touches it."""

import json
import os
import pickle
import re
import struct
from pathlib import Path

import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.vetting import vet_folder

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}


def safetensors(**tensors):
    """A file of float32 tensors of these lengths."""
    header, end = {}, 0
    for name, length in tensors.items():
        header[name] = {"dtype": "F32", "shape": [length], "data_offsets": [end, end + 4 * length]}
        end += 4 * length
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


WEIGHTS = safetensors(a=4, b=2)
GOOD = {"config.json": CONFIG, "model.safetensors": WEIGHTS}


@pytest.fixture
def folder(tmp_path):
    """Write files into a folder: bytes as they are, anything else as JSON."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )
        return tmp_path

    return write


def test_a_sound_folder_is_read(folder):
    found = vet_folder(folder(GOOD))
    assert found.names == ("config.json", "model.safetensors")


@pytest.mark.parametrize(
    ("files", "reason", "message"),
    [
        pytest.param({}, Reason.MODEL_NOT_FOUND, "is empty", id="an empty folder"),
        pytest.param(
            {"readme.txt": b"hello"}, Reason.MODEL_NOT_FOUND, "readme.txt", id="no model in it"
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS},
            Reason.MODEL_NOT_FOUND,
            "no config.json",
            id="weights without a configuration",
        ),
        pytest.param(
            GOOD | {"model.safetensors": WEIGHTS[:-5]},
            Reason.MODEL_FILE_CORRUPT,
            f"model.safetensors is truncated: by its header it has {len(WEIGHTS)} bytes, "
            f"the file has {len(WEIGHTS) - 5}",
            id="truncated weights",
        ),
        pytest.param(
            GOOD | {"model.safetensors": WEIGHTS[:20]},
            Reason.MODEL_FILE_CORRUPT,
            "model.safetensors (20 bytes)",
            id="weights truncated inside of the header",
        ),
        pytest.param(
            GOOD | {"model.safetensors": b""},
            Reason.MODEL_FILE_CORRUPT,
            "model.safetensors (0 bytes)",
            id="an empty weights file",
        ),
        pytest.param(
            GOOD | {"model.safetensors": struct.pack("<Q", 1 << 60) + b"{}"},
            Reason.MODEL_FILE_CORRUPT,
            "model.safetensors",
            id="a header that claims to be huge",
        ),
        pytest.param(
            GOOD | {"model.gguf": b"GGUF\x03\x00\x00\x00"},
            Reason.MODEL_FILE_CORRUPT,
            "model.gguf",
            id="a truncated GGUF",
        ),
        pytest.param(
            GOOD | {"config.json": b'{"architectures": ['},
            Reason.MODEL_FILE_CORRUPT,
            "config.json (19 bytes) is not valid JSON",
            id="half of a configuration",
        ),
        pytest.param(
            GOOD | {"config.json": CONFIG | {"auto_map": {"AutoModel": "modeling.Model"}}},
            Reason.MODEL_UNSAFE,
            "auto_map",
            id="code by auto_map",
        ),
        pytest.param(
            GOOD | {"config.json": {"text_config": [{"_attn_implementation_internal": "a/b"}]}},
            Reason.MODEL_UNSAFE,
            "_attn_implementation_internal",
            id="an internal key deep inside",
        ),
        pytest.param(
            GOOD | {"generation_config.json": {"trust_remote_code": True}},
            Reason.MODEL_UNSAFE,
            "generation_config.json has the key 'trust_remote_code'",
            id="a file that trusts itself",
        ),
        pytest.param(
            GOOD | {"config.json": CONFIG | {"attn_implementation": "someone/kernel"}},
            Reason.MODEL_UNSAFE,
            "someone/kernel",
            id="an attention kernel from a hub",
        ),
        pytest.param(
            GOOD | {"custom_generate/generate.py": b"print()"},
            Reason.MODEL_UNSAFE,
            "custom_generate/generate.py",
            id="a generation loop of its own",
        ),
        pytest.param(
            {"config.json": CONFIG, "pytorch_model.bin": pickle.dumps([])},
            Reason.MODEL_UNSAFE,
            "pytorch_model.bin",
            id="nothing but a pickle",
        ),
        pytest.param(
            GOOD | {"model.safetensors": pickle.dumps([], protocol=4)},
            Reason.MODEL_UNSAFE,
            "is a Python pickle, whatever its name says",
            id="a pickle by another name",
        ),
        pytest.param(
            GOOD | {"model.safetensors.index.json": {"weight_map": {"a": "../b.safetensors"}}},
            Reason.MODEL_UNSAFE,
            "outside of the folder",
            id="an index that leaves the folder",
        ),
        pytest.param(
            GOOD | {"model.safetensors.index.json": {"weight_map": {"a": "b.safetensors"}}},
            Reason.MODEL_FILE_CORRUPT,
            "b.safetensors, which is missing",
            id="an index that names a missing file",
        ),
        pytest.param(
            GOOD | {"model.safetensors.index.json": {"weight_map": {"z": "model.safetensors"}}},
            Reason.MODEL_FILE_CORRUPT,
            "'z' in model.safetensors, which does not hold it",
            id="an index that names a missing tensor",
        ),
    ],
)
def test_what_cannot_be_opened_is_refused_with_a_hint(folder, files, reason, message):
    with pytest.raises(CannotStart) as refused:
        vet_folder(folder(files))
    assert refused.value.reason is reason
    assert message in refused.value.message
    assert refused.value.hint


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("secret")
    path = folder(GOOD)
    (path / "vocab.txt").symlink_to(outside)
    with pytest.raises(CannotStart, match=r"vocab\.txt is a link that leaves") as refused:
        vet_folder(path)
    assert refused.value.reason is Reason.MODEL_UNSAFE


def test_a_link_inside_of_the_folder_is_fine(folder):
    path = folder(GOOD)
    (path / "again.safetensors").symlink_to("model.safetensors")
    assert "again.safetensors" in vet_folder(path).names


def fill_memory(path):
    (path / "more.json").touch()
    os.truncate(path / "more.json", 1 << 40)


def link_in_a_circle(path):
    (path / "a.json").symlink_to("b.json")
    (path / "b.json").symlink_to("a.json")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param(
            lambda path: os.mkfifo(path / "more.json"),
            "more.json is no file but a pipe, a socket or a device",
            id="a pipe that would be read for ever",
        ),
        pytest.param(link_in_a_circle, "a.json is a link that leads nowhere", id="a circle"),
        pytest.param(
            lambda path: (path / "more.json").symlink_to("gone.json"),
            "more.json is a link that leads nowhere",
            id="a link to nothing",
        ),
        pytest.param(
            lambda path: Path(os.fsdecode(bytes(path) + b"/\xff.json")).write_bytes(b"{"),
            r"'\udcff.json' is a name that is no text",
            id="a name that no log can show",
        ),
        pytest.param(
            fill_memory,
            "more.json has 1099511627776 bytes",
            id="a configuration that fills the memory",
        ),
    ],
)
def test_files_that_could_not_be_read_are_refused(folder, place, message):
    path = folder(GOOD)
    place(path)
    with pytest.raises(CannotStart, match=re.escape(message)) as refused:
        vet_folder(path)
    assert refused.value.hint


def head(text):
    return struct.pack("<Q", len(text)) + text + bytes(4)


def entry(shape):
    return b'{"w": {"dtype": "F32", "data_offsets": [0, 4], "shape": %s}}' % shape


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(entry(b"[1e400]"), id="an endless dimension"),
        pytest.param(entry(b"[-1]"), id="a dimension below zero"),
        pytest.param(entry(b"[1000000000000]"), id="more numbers than bytes"),
        pytest.param(b'{"w": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", id="deep"),
    ],
)
def test_a_header_of_weights_that_cannot_be_is_damage(folder, text):
    path = folder(GOOD | {"model.safetensors": head(text)})
    with pytest.raises(CannotStart, match="its header cannot be read") as refused:
        vet_folder(path)
    assert refused.value.reason is Reason.MODEL_FILE_CORRUPT


def gguf(*values):
    """A GGUF file of version 3 without tensors, with a value of that type and these bytes."""
    key = struct.pack("<Q", 17) + b"general.alignment"
    parts = [key + struct.pack("<I", kind) + data for kind, data in values]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(parts)


@pytest.mark.parametrize(
    ("data", "length", "message"),
    [
        pytest.param(gguf((4, bytes(4))), 0, "alignment of 0", id="an alignment of nothing"),
        pytest.param(
            gguf((8, struct.pack("<Q", 1) + b"x")),
            0,
            "alignment of 'x'",
            id="an alignment in words",
        ),
        pytest.param(
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 62),
            1 << 40,
            "longer than any model's",
            id="values without end",
        ),
        pytest.param(
            gguf((9, struct.pack("<IQ", 0, 1 << 39))),
            1 << 40,
            "longer than any model's",
            id="a list that fills the memory",
        ),
    ],
)
def test_a_header_of_gguf_that_cannot_be_is_damage(folder, data, length, message):
    path = folder({"model.gguf": data})
    with (path / "model.gguf").open("r+b") as file:
        file.truncate(max(length, len(data)))
    with pytest.raises(CannotStart, match=message) as refused:
        vet_folder(path)
    assert refused.value.reason is Reason.MODEL_FILE_CORRUPT


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CannotStart, match="does not exist") as refused:
        vet_folder(tmp_path / "nowhere")
    assert refused.value.reason is Reason.MODEL_NOT_FOUND


def test_words_of_a_vocabulary_are_not_taken_for_keys(folder):
    assert vet_folder(folder(GOOD | {"vocab.json": {"auto_map": 1, "trust_remote_code": 2}}))
