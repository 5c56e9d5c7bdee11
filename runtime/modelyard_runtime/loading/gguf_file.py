"""Loads a GGUF file into an ordinary transformers model, its weights dequantised.

The weights take four bytes per parameter in float32, whatever the file's quantisation: GGUF is
served here for its availability, not for its size.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import (
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.gguf_header import Header, Tensor
from modelyard_runtime.loading.gguf_layout import (
    Architecture,
    build_config,
    rename,
    require_supported,
)
from modelyard_runtime.loading.loaded import (
    Loaded,
    choose_device,
    choose_dtype,
    require_all_weights,
    require_room,
)
from modelyard_runtime.loading.registry import Wanted


def load_causal_lm(wanted: Wanted) -> Loaded:
    """Load the folder's GGUF file."""
    header = wanted.folder.ggufs[wanted.detected.file_name]
    architecture = require_supported(header)
    device = choose_device(wanted.device)
    dtype = choose_dtype(wanted.dtype, torch.float16, device)
    parameters = sum(tensor.elements for tensor in header.tensors)
    require_room(parameters * dtype.itemsize, wanted.memory_bytes, device)
    model = _build_model(header, architecture, dtype)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(
        str(wanted.folder.path), gguf_file=wanted.detected.file_name, local_files_only=True
    )
    return Loaded.of(model, tokenizer, wanted, device)


def _build_model(header: Header, architecture: Architecture, dtype: torch.dtype) -> PreTrainedModel:
    model_class: Any = getattr(transformers, architecture.class_name)
    config: PreTrainedConfig = model_class.config_class(**build_config(header))
    weights = {}
    with _mapped(header) as data:
        for tensor in header.tensors:
            name = rename(tensor.name)
            if name is not None:
                weights[name] = _read_tensor(data, tensor, architecture, config, dtype)
    model: PreTrainedModel
    model, report = model_class.from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True
    )
    require_all_weights(report["missing_keys"], header.path.name)
    model.generation_config = GenerationConfig.from_model_config(config)
    return model


@contextmanager
def _mapped(header: Header) -> Iterator[mmap.mmap]:
    with (
        header.path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        yield data


def _read_tensor(
    data: mmap.mmap,
    tensor: Tensor,
    architecture: Architecture,
    config: PreTrainedConfig,
    dtype: torch.dtype,
) -> torch.Tensor:
    values = _dequantise(data, tensor)
    if architecture.interleaved and ".attn_q." in tensor.name:
        values = _deinterleave(values, config.num_attention_heads)
    elif architecture.interleaved and ".attn_k." in tensor.name:
        values = _deinterleave(values, config.num_key_value_heads)
    # Copied into memory of torch's own; freeing borrowed memory would need the interpreter.
    return torch.empty(tensor.shape, dtype=dtype).copy_(torch.from_numpy(values))


def _dequantise(data: mmap.mmap, tensor: Tensor) -> NDArray[np.float32]:
    try:
        raw = np.frombuffer(data, np.uint8, tensor.size_bytes, tensor.start)
        if tensor.encoding is gguf.GGMLQuantizationType.F32:
            return raw.view(np.float32).reshape(tensor.shape).copy()
        if tensor.encoding is gguf.GGMLQuantizationType.F16:
            return raw.view(np.float16).reshape(tensor.shape).astype(np.float32)
        rows = raw.reshape(*tensor.shape[:-1], -1)
        values: NDArray[np.float32] = gguf.dequantize(rows, tensor.encoding)
    except (NotImplementedError, ValueError) as error:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The tensor {tensor.name} is encoded as {tensor.encoding.name}: {error}",
            hint="Use a file quantised as Q8_0, Q6_K, Q5_K, Q4_K, Q4_0 or Q4_1, or F16.",
        ) from error
    return values


def _deinterleave(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    # llama.cpp rotates neighbouring pairs of each head's dimensions, transformers its two halves.
    pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)
