"""A GGUF file gives the same model as the folder it was made from."""

import asyncio
from dataclasses import replace

import gguf
import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Format, Task
from modelyard_runtime.domain import GenerateRequest, Message, Sampling
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.gguf_file import load_causal_lm
from modelyard_runtime.loading.gguf_layout import build_config
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.vetting import vet_folder
from tests.support.tiny_models import GIB, VOCABULARY, generate, running, write_model

NAMES = {
    "llama": ("LlamaForCausalLM", {}),
    "qwen2": ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", {"head_dim": 16}),
}
KEYS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
}


def write_gguf(path, architecture, model, *, extra=(), encoding=gguf.GGMLQuantizationType.F32):
    """Write the model as llama.cpp's converter would."""
    writer = gguf.GGUFWriter(path, architecture)
    config = model.config
    for theirs, ours in KEYS.items():
        writer.add_uint32(f"{architecture}.{theirs}", getattr(config, ours))
    writer.add_uint32(
        f"{architecture}.attention.key_length", getattr(config, "head_dim", None) or 16
    )
    writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", config.rms_norm_eps)
    writer.add_float32(f"{architecture}.rope.freq_base", config.rope_parameters["rope_theta"])
    for key, value in extra:
        writer.add_uint32(key, value) if isinstance(value, int) else writer.add_string(key, value)
    writer.add_tokenizer_model("gpt2")
    letters = [chr(code) for code in range(33, 127)]
    writer.add_token_list(letters + [f"x{n}" for n in range(VOCABULARY - len(letters))])
    writer.add_token_merges(["x 1"])
    writer.add_eos_token_id(1)
    names = gguf.get_tensor_name_map(
        {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[architecture], config.num_hidden_layers
    )
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, _, kind = name.rpartition(".")
        values = tensor.numpy()
        if architecture == "llama" and (".q_proj" in name or ".k_proj" in name):
            heads = config.num_attention_heads if ".q_" in name else config.num_key_value_heads
            values = interleave(values, heads)
        kept = encoding if values.ndim == 2 else gguf.GGMLQuantizationType.F32
        data = gguf.quantize(values, kept)
        writer.add_tensor(f"{names.get_name(stem)}.{kind}", data, raw_dtype=kept)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleave(values, heads):
    """llama.cpp's convert_hf_to_gguf: permute."""
    return (
        values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
        .swapaxes(1, 2)
        .reshape(values.shape)
    )


def load(folder):
    vetted = vet_folder(folder)
    detected = detect(vetted, Task.AUTO, Format.AUTO)
    return load_causal_lm(Wanted(vetted, detected, DType.AUTO, 16 * GIB))


def read_scores(model, prompt=(5, 6, 7, 8, 9, 50, 51)):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([prompt])).logits


@pytest.mark.parametrize("architecture", NAMES)
@pytest.mark.parametrize(
    ("encoding", "tolerance"),
    [
        pytest.param(gguf.GGMLQuantizationType.F32, 1e-3, id="float32"),
        pytest.param(gguf.GGMLQuantizationType.F16, 0.1, id="float16"),
        pytest.param(gguf.GGMLQuantizationType.Q8_0, 3.0, id="eight bits"),
    ],
)
def test_scores_are_those_of_the_original(architecture, encoding, tolerance, tmp_path):
    model_class, settings = NAMES[architecture]
    write_model(tmp_path / "original", model_class, **settings)
    original = AutoModelForCausalLM.from_pretrained(tmp_path / "original")
    (tmp_path / "gguf").mkdir()
    write_gguf(tmp_path / "gguf" / "m.gguf", architecture, original, encoding=encoding)
    loaded = load(tmp_path / "gguf")
    difference = (read_scores(loaded.model) - read_scores(original)).abs().max().item()
    assert difference < tolerance
    assert loaded.parameters == sum(p.numel() for p in original.parameters())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        pytest.param([("llama.expert_count", 8)], "mixture of experts", id="experts"),
        pytest.param([("llama.rope.scaling.type", "yarn")], "positions are scaled", id="scaled"),
        pytest.param([("llama.attention.sliding_window", 64)], "sliding window", id="window"),
    ],
)
def test_what_would_be_computed_wrongly_is_refused(extra, message, tmp_path):
    write_model(tmp_path / "original", "LlamaForCausalLM")
    original = AutoModelForCausalLM.from_pretrained(tmp_path / "original")
    (tmp_path / "gguf").mkdir()
    write_gguf(tmp_path / "gguf" / "m.gguf", "llama", original, extra=extra)
    with pytest.raises(CannotStart, match=message) as caught:
        load(tmp_path / "gguf")
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        pytest.param(("llama.block_count", 10**9), "tensors for 1000000000 layers", id="layers"),
        pytest.param(("llama.embedding_length", "x"), "says of embedding_length", id="words"),
    ],
)
def test_numbers_that_cannot_be_are_damage(extra, message, tmp_path):
    write_model(tmp_path / "original", "LlamaForCausalLM")
    original = AutoModelForCausalLM.from_pretrained(tmp_path / "original")
    (tmp_path / "gguf").mkdir()
    write_gguf(tmp_path / "gguf" / "m.gguf", "llama", original)
    vetted = vet_folder(tmp_path / "gguf")
    (header,) = vetted.ggufs.values()
    with pytest.raises(CannotStart, match=message) as caught:
        build_config(replace(header, metadata={**header.metadata, extra[0]: extra[1]}))
    assert caught.value.reason is Reason.MODEL_FILE_CORRUPT


def test_smollm2_has_the_weights_that_transformers_reads(smollm2):
    """Compared with transformers' own reader of GGUF, bit by bit."""
    ours = load(smollm2)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(ours.model.config)
    theirs = load_gguf_checkpoint(
        next(smollm2.glob("*.gguf")),
        return_tensors=True,
        model_to_load=empty,
        torch_dtype=torch.float32,
    )["tensors"]
    modules = dict(ours.model.named_modules())
    for name, expected in theirs.items():
        module, _, kind = name.rpartition(".")
        assert torch.equal(getattr(modules[module], kind), expected), name
    assert len(theirs) == 272


async def test_smollm2_knows_the_capital_of_france(smollm2):
    question = (Message("user", "What is the capital of France?"),)
    async with running(smollm2) as engine:
        (answer,) = await generate(engine, question, max_tokens=40)
        chunks = [
            chunk
            async for chunk in await engine.submit(
                GenerateRequest("id", question, Sampling(temperature=0, max_tokens=40))
            )
        ]
    assert answer == "The capital of France is Paris."
    assert "".join(chunk.text for chunk in chunks) == answer
    assert chunks[-1].finish_reason == "stop"


async def test_smollm2_continues_many_texts_as_alone(smollm2):
    loaded = load(smollm2)
    beginnings = ["The sky is", "def fibonacci(n):\n    ", "My 🐈 and", "1, 2, 3, 4, 5,"]
    endings = ["", " Water boils at", " Once upon a time by the sea", " I said: never again, but"]
    prompts = [beginning + ending for beginning in beginnings for ending in endings]
    alone = []
    for prompt in prompts:
        inputs = loaded.tokenizer(prompt, return_tensors="pt")
        tokens = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=9)
        alone.append(
            loaded.tokenizer.decode(
                tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
        )
    async with running(smollm2) as engine:
        first = await generate(engine, prompts[0], max_tokens=9)
        together = await asyncio.gather(
            *(generate(engine, prompt, max_tokens=9) for prompt in prompts)
        )
    assert [texts[0] for texts in [first, *together]] == [alone[0], *alone]
