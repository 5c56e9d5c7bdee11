"""How llama.cpp's names and numbers become those of transformers: pure tables and functions.

transformers can read GGUF itself, but parses the vocabulary four times in Python (20 s for
SmolLM2 on two cores), holds the weights three times over, and wants `accelerate` for it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.gguf_header import Header


@dataclass(frozen=True, slots=True)
class Architecture:
    """One kind of model: its class in transformers, and whether q and k rows are interleaved."""

    class_name: str
    interleaved: bool = False


# Each has been compared with transformers, weight by weight. Mistral files call themselves llama.
ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture("LlamaForCausalLM", interleaved=True),
    "qwen2": Architecture("Qwen2ForCausalLM"),
    "qwen3": Architecture("Qwen3ForCausalLM"),
}

_NUMBERS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
_NEEDED = (
    "context_length",
    "block_count",
    "feed_forward_length",
    "embedding_length",
    "attention.head_count",
)
_EMBEDDINGS = "token_embd.weight"
_TOKENS = {
    "bos_token_id": "bos_token_id",
    "eos_token_id": "eos_token_id",
    "padding_token_id": "pad_token_id",
}
_TOP_LEVEL = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LAYER = re.compile(r"blk\.(\d+)\.(\w+)")


def require_supported(header: Header) -> Architecture:
    """Return how the file's architecture is read.

    Raises:
        CannotStart: ModelUnsupported, with what is supported.
    """
    name = header.architecture
    problem = ""
    if name not in ARCHITECTURES:
        problem = f"its architecture is {name!r}"
    elif header.metadata.get(f"{name}.expert_count"):
        problem = "it is a mixture of experts"
    elif header.metadata.get(f"{name}.rope.scaling.type", "none") != "none" or any(
        tensor.name == "rope_freqs.weight" for tensor in header.tensors
    ):
        problem = "its positions are scaled (rope.scaling)"
    elif header.metadata.get(f"{name}.attention.sliding_window"):
        problem = "its attention has a sliding window"
    if problem:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"This GGUF model cannot be served: {problem}. GGUF is served for "
            f"{', '.join(sorted(ARCHITECTURES))} models without experts or scaled positions",
            hint="Use the model's original folder (config.json and safetensors), for which many "
            "more architectures are served.",
        )
    return ARCHITECTURES[name]


def build_config(header: Header) -> dict[str, Any]:
    """Return the keyword arguments of the transformers configuration.

    Raises:
        CannotStart: ModelFileCorrupt, the file lacks what every model has.
    """
    name, metadata = header.architecture, header.metadata
    _require_numbers(header)
    config = {
        ours: metadata[f"{name}.{theirs}"]
        for theirs, ours in _NUMBERS.items()
        if f"{name}.{theirs}" in metadata
    }
    config.setdefault("num_key_value_heads", config.get("num_attention_heads"))
    config["head_dim"] = config.get("head_dim") or metadata.get(
        f"{name}.rope.dimension_count", config["hidden_size"] // config["num_attention_heads"]
    )
    config |= {ours: metadata.get(f"tokenizer.ggml.{theirs}") for theirs, ours in _TOKENS.items()}
    names = {tensor.name: tensor for tensor in header.tensors}
    config["vocab_size"] = names[_EMBEDDINGS].shape[0]
    config["tie_word_embeddings"] = "output.weight" not in names
    config["rope_parameters"] = {
        "rope_type": "default",
        "rope_theta": metadata.get(f"{name}.rope.freq_base", 10_000.0),
    }
    return config


def _require_numbers(header: Header) -> None:
    numbers: dict[str, Any] = {
        word: header.metadata.get(f"{header.architecture}.{word}") for word in _NEEDED
    }
    wrong = [word for word, value in numbers.items() if not isinstance(value, int) or value <= 0]
    names = {tensor.name for tensor in header.tensors}
    problem = ""
    if wrong:
        problem = f"says of {', '.join(wrong)} nothing that can be"
    elif _EMBEDDINGS not in names:
        problem = f"lacks the tensor {_EMBEDDINGS}"
    elif numbers["block_count"] > len(names):
        problem = f"has {len(names)} tensors for {numbers['block_count']} layers"
    if problem:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{header.path.name} {problem}",
            hint="Get the file again from its source, or convert the model again.",
        )


def rename(gguf_name: str) -> str | None:
    """Return the parameter that a tensor is, None for one that the model does not use."""
    stem, _, kind = gguf_name.rpartition(".")
    if kind not in ("weight", "bias"):
        return None
    if stem in _TOP_LEVEL:
        return f"{_TOP_LEVEL[stem]}.{kind}"
    match = _LAYER.fullmatch(stem)
    if match is None or match[2] not in _IN_LAYER:
        return None
    return f"model.layers.{match[1]}.{_IN_LAYER[match[2]]}.{kind}"
