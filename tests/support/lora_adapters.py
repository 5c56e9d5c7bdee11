"""LoRA adapters in peft's layout for small models, and the same models with the adapters merged.

What an adapter should do is taken from its definition alone: W + scaling · B · A.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.pytorch_utils import Conv1D

CONFIG = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "bias": "none"}
#: Of a llama: attention, the rest of a block, and the last layer of all.
LAYERS = (
    "model.layers.0.self_attn.q_proj",
    "model.layers.1.self_attn.v_proj",
    "model.layers.2.mlp.down_proj",
    "lm_head",
)


def write_adapter(
    folder: Path,
    base: Path,
    *,
    layers: tuple[str, ...] = LAYERS,
    seed: int = 1,
    ranks: Mapping[str, int] | None = None,
    **config,
) -> Path:
    """Write an adapter with random weights for the layers of a model; the same each time."""
    model = AutoModelForCausalLM.from_pretrained(base)
    document = {**CONFIG, **config}
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for path in layers:
        layer = model.get_submodule(path)
        outputs, inputs = reversed(layer.weight.shape) if _is_turned(layer) else layer.weight.shape
        rank = (ranks or {}).get(path, document["r"])
        key = f"base_model.model.{path}.lora_"
        tensors[f"{key}A.weight"] = torch.randn(rank, inputs, generator=generator) / 3
        tensors[f"{key}B.weight"] = torch.randn(outputs, rank, generator=generator) / 3
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(document))
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def write_merged(
    folder: Path, base: Path, adapter: Path | str, scalings: Mapping[str, float]
) -> Path:
    """Write the model whose layers have the adapter in their weights, by each one's scaling."""

    model = AutoModelForCausalLM.from_pretrained(base)
    tensors = load_file(Path(adapter) / "adapter_model.safetensors")
    with torch.no_grad():
        for path, scaling in scalings.items():
            layer = model.get_submodule(path)
            key = f"base_model.model.{path}.lora_"
            difference = scaling * tensors[f"{key}B.weight"] @ tensors[f"{key}A.weight"]
            layer.weight += difference.T if _is_turned(layer) else difference
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def _is_turned(layer) -> bool:
    return isinstance(layer, Conv1D)
