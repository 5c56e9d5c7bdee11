"""A model folder is refused with its reason before any library touches it."""

import json
import pickle
import struct

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


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CannotStart, match="does not exist") as refused:
        vet_folder(tmp_path / "nowhere")
    assert refused.value.reason is Reason.MODEL_NOT_FOUND


def test_words_of_a_vocabulary_are_not_taken_for_keys(folder):
    assert vet_folder(folder(GOOD | {"vocab.json": {"auto_map": 1, "trust_remote_code": 2}}))
