"""The folder of an adapter is refused with its reason before any library touches it."""

import json
import pickle
import struct
from math import prod

import pytest

from modelyard_api.meta import Reason
from modelyard_api.serving import AdapterConfig
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.adapter_vetting import LoraShape, vet_adapters

CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "org/base"}
Q = "base_model.model.layers.0.q_proj"
CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"


def safetensors(dtype="F32", **shapes):
    """A file of zeros; names are given with two underscores for each dot."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = prod(shape) * {"F32": 4, "F16": 2, "I8": 1}[dtype]
        header[name.replace("__", ".")] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [end, end + size],
        }
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def layer(*, down=(2, 6), up=(8, 2), **more):
    prefix = Q.replace(".", "__")
    return {f"{prefix}__lora_A__weight": down, f"{prefix}__lora_B__weight": up} | more


GOOD = {CONFIG_FILE: CONFIG, WEIGHTS_FILE: safetensors(**layer())}


@pytest.fixture
def vet(tmp_path):
    """Vet a folder with these files: bytes as they are, anything else as JSON."""

    def run(files):
        for name, content in files.items():
            is_bytes = isinstance(content, bytes)
            (tmp_path / name).write_bytes(content if is_bytes else json.dumps(content).encode())
        return vet_adapters([AdapterConfig(name="sql", path=str(tmp_path))])

    return run


def test_a_sound_folder_is_read(vet, tmp_path):
    (adapter,) = vet(GOOD | {"training_args.bin": pickle.dumps({}), "tokenizer.json": {}})
    assert (adapter.name, adapter.weights, adapter.parameters, dict(adapter.layers)) == (
        "sql",
        tmp_path / WEIGHTS_FILE,
        28,
        {"layers.0.q_proj": LoraShape(inputs=6, rank=2, outputs=8)},
    )


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        pytest.param(
            {WEIGHTS_FILE: None},
            Reason.MODEL_NOT_FOUND,
            "has no adapter_model.safetensors",
            id="no weights",
        ),
        pytest.param(
            {CONFIG_FILE: None},
            Reason.MODEL_NOT_FOUND,
            "has no adapter_config.json",
            id="no configuration, as of a whole model",
        ),
        pytest.param(
            {WEIGHTS_FILE: None, "adapter_model.bin": pickle.dumps({})},
            Reason.MODEL_UNSAFE,
            "its weights are a Python pickle only (adapter_model.bin)",
            id="weights as a pickle",
        ),
        pytest.param(
            {WEIGHTS_FILE: pickle.dumps({})},
            Reason.MODEL_UNSAFE,
            "adapter_model.safetensors is a Python pickle, whatever its name says",
            id="a pickle under another name",
        ),
        pytest.param(
            {CONFIG_FILE: b"{"},
            Reason.MODEL_FILE_CORRUPT,
            "adapter_config.json cannot be read: Expecting property name",
            id="no JSON",
        ),
        pytest.param(
            {CONFIG_FILE: b"[" * 100_000},
            Reason.MODEL_FILE_CORRUPT,
            "adapter_config.json cannot be read: ",
            id="JSON deeper than any stack",
        ),
        pytest.param(
            {CONFIG_FILE: b" " * (1024**2 + 1)},
            Reason.MODEL_FILE_CORRUPT,
            "adapter_config.json has 1048577 bytes, and the limit is 1048576",
            id="a configuration of a megabyte",
        ),
        pytest.param(
            {CONFIG_FILE: CONFIG | {"lora_alpha": "much"}},
            Reason.MODEL_FILE_CORRUPT,
            "adapter_config.json cannot be read: lora_alpha is 'much', not a number",
            id="a strength that is no number",
        ),
        pytest.param(
            {CONFIG_FILE: CONFIG | {"use_dora": True}},
            Reason.MODEL_UNSUPPORTED,
            "in adapter_config.json use_dora is True, which this runtime does not serve",
            id="DoRA",
        ),
        pytest.param(
            {WEIGHTS_FILE: GOOD[WEIGHTS_FILE][:-4]},
            Reason.MODEL_FILE_CORRUPT,
            "adapter_model.safetensors is truncated",
            id="cut short",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors()},
            Reason.MODEL_FILE_CORRUPT,
            "adapter_model.safetensors holds no weights",
            id="nothing in it",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors(**layer(down=(3, 6), up=(8, 3)))},
            Reason.MODEL_FILE_CORRUPT,
            "have the ranks 3 and 3, and adapter_config.json says 2",
            id="another rank than it says",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors(**layer(up=(8, 3)))},
            Reason.MODEL_FILE_CORRUPT,
            "of 'layers.0.q_proj' have the ranks 2 and 3",
            id="matrices of different rank",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors(base_model__model__q__lora_A__weight=(2, 6))},
            Reason.MODEL_FILE_CORRUPT,
            "holds lora_A of 'q' without the other matrix",
            id="half of a layer",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors(**layer(down=(2, 6, 3)))},
            Reason.MODEL_UNSUPPORTED,
            "holds what is no matrix, of 'layers.0.q_proj'",
            id="a convolution",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors(**layer(base_model__model__embed__lora_embedding_A=(2, 6)))},
            Reason.MODEL_UNSUPPORTED,
            "holds 'base_model.model.embed.lora_embedding_A', which is no part of plain LoRA",
            id="an embedding",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors(**layer(base_model__model__h__base_layer__weight=(6, 6)))},
            Reason.MODEL_UNSUPPORTED,
            "holds 'base_model.model.h.base_layer.weight', which is no part of plain LoRA but a "
            "weight of the base model",
            id="a copy of the base model's weight",
        ),
        pytest.param(
            {WEIGHTS_FILE: safetensors("I8", **layer())},
            Reason.MODEL_UNSUPPORTED,
            "are of the type I8",
            id="whole numbers",
        ),
    ],
)
def test_a_bad_folder_is_refused(vet, changes, reason, said):
    files = {name: content for name, content in (GOOD | changes).items() if content is not None}
    with pytest.raises(CannotStart) as caught:
        vet(files)
    assert caught.value.reason is reason
    assert caught.value.message.startswith("The adapter 'sql' cannot be served: ")
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_link_that_leaves_the_folder_is_refused(vet, tmp_path, tmp_path_factory, name):
    outside = tmp_path_factory.mktemp("outside") / name
    content = GOOD[name]
    outside.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    (tmp_path / name).symlink_to(outside)
    with pytest.raises(CannotStart) as caught:
        vet({other: content for other, content in GOOD.items() if other != name})
    assert (caught.value.reason, caught.value.message) == (
        Reason.MODEL_UNSAFE,
        f"The adapter 'sql' cannot be served: {name} is a link that leaves the adapter's folder",
    )
