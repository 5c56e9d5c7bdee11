"""Loads folders in the layout of transformers: config.json, tokenizer, safetensors."""

from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
)

from modelyard_runtime.loading.loaded import (
    Loaded,
    choose_device,
    choose_dtype,
    require_all_weights,
    require_room,
)
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.safetensors_header import Header

# Nothing from the network, no code from the folder, no pickles. Vetting has looked already; this
# is the second lock.
_CLOSED = {"local_files_only": True, "trust_remote_code": False}

_STORED_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_causal_lm(wanted: Wanted) -> Loaded:
    """Load a model that continues texts."""
    return _load(wanted, AutoModelForCausalLM)


def load_encoder(wanted: Wanted) -> Loaded:
    """Load a model without its head.

    Encoders are often stored without the pooler of their pre-training, which nobody asks here.
    """
    return _load(wanted, AutoModel, unused="pooler.")


def load_classifier(wanted: Wanted) -> Loaded:
    """Load a model with a classification head."""
    return _load(wanted, AutoModelForSequenceClassification)


def _load(wanted: Wanted, factory: Any, *, unused: str = "") -> Loaded:
    path = str(wanted.folder.path)
    config: PreTrainedConfig = AutoConfig.from_pretrained(path, **_CLOSED)
    device = choose_device(wanted.device)
    dtype = choose_dtype(wanted.dtype, _stored_dtype(wanted), device)
    parameters = sum(header.parameters for header in _served_weights(wanted))
    require_room(parameters * dtype.itemsize, wanted.memory_bytes, device)
    model, report = factory.from_pretrained(
        path,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        **_CLOSED,
    )
    missing = [name for name in report["missing_keys"] if not (unused and unused in name)]
    require_all_weights(missing, "The folder")
    tokenizer = AutoTokenizer.from_pretrained(path, **_CLOSED)
    return Loaded.of(model, tokenizer, wanted, device)


def _stored_dtype(wanted: Wanted) -> torch.dtype | None:
    headers = wanted.folder.weights.values()
    largest = max(headers, key=lambda header: header.parameters)
    return _STORED_DTYPES.get(largest.dtype)


def _served_weights(wanted: Wanted) -> list[Header]:
    # Folders sometimes carry a second copy (an adapter, an export in a subfolder): only what
    # transformers opens counts.
    weights = wanted.folder.weights
    index = wanted.folder.documents.get("model.safetensors.index.json")
    if "model.safetensors" in weights:
        return [weights["model.safetensors"]]
    if isinstance(index, dict):
        return [weights[name] for name in sorted(set(index["weight_map"].values()))]
    return list(weights.values())
