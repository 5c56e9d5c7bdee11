"""Changes a loaded model in place, as `spec.optimize` wants it: pruning, then quantisation."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.nn.utils import prune

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Optimize, Pruning, Quantization
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.packing import PackedLinear, return_freed_memory
from modelyard_runtime.loading.quantized_layers import Int8Embedding, QuantizedLinear, quantize

_TRIM_EVERY_BYTES = 64 * 1024**2


def optimize_layers(model: Any, wanted: Optimize) -> None:
    """Prune and quantise the linear layers; where they are quantised, the table of words as well.

    The last layer of a language model is not pruned, and has no less than 8 bits: what it loses is
    lost in every answer. It is often the table of words as well.

    Raises:
        CannotStart: ConfigInvalid, there is no layer to which it applies.
    """
    last = _find_last(model)
    gentle = _spare(wanted)
    freed = changed = 0
    # Places and not layers: a list of these would keep all that are replaced.
    for parent, name in list(_find_places(model)):
        layer = getattr(parent, name)
        better = _optimize_layer(layer, gentle if layer is last else wanted)
        if better is None:
            continue
        setattr(parent, name, better)
        changed += 1
        freed += layer.in_features * layer.out_features * torch.float32.itemsize
        del layer, better
        if freed > _TRIM_EVERY_BYTES:
            freed = 0
            return_freed_memory()
    if not changed:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize asks for {wanted.steps}, and {type(model).__name__} has no linear "
            "layer to which that applies",
            hint="Remove spec.optimize. (int4 needs layers whose sides are multiples of 16 and "
            "32; GPT-2 has no linear layers.)",
        )
    if wanted.quantization is not Quantization.NONE:
        _quantize_table(model)
    return_freed_memory()


def weigh(model: Any) -> int:
    """Return the bytes of the model's weights; what two layers share counts once."""
    size = sum(parameter.numel() * parameter.itemsize for parameter in model.parameters())
    shared = None
    is_tied = getattr(model.config, "tie_word_embeddings", False)
    if type(_find_table(model)) is nn.Embedding and is_tied:
        shared = _find_last(model)
    for module in model.modules():
        if isinstance(module, QuantizedLinear | Int8Embedding):
            size += module.size_bytes
        elif isinstance(module, PackedLinear) and module is not shared:
            size += module.in_features * module.out_features * torch.float32.itemsize
    return int(size)


def _spare(wanted: Optimize) -> Optimize:
    kind = wanted.quantization
    kind = Quantization.INT8 if kind is Quantization.INT4 else kind
    return wanted.model_copy(update={"pruning": Pruning(), "quantization": kind})


def _find_table(model: Any) -> Any:
    """Return the table of words; None where there is none, as in a model of pictures."""
    with suppress(NotImplementedError):
        return model.get_input_embeddings()
    return None


def _find_last(model: Any) -> Any:
    with suppress(NotImplementedError):
        return model.get_output_embeddings()
    return None


def _quantize_table(model: Any) -> None:
    table = _find_table(model)
    # Subclasses compute something else besides.
    if type(table) is not nn.Embedding:
        return
    better = Int8Embedding(table)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child is table:
                setattr(parent, name, better)


@torch.no_grad()
def _optimize_layer(layer: nn.Linear | PackedLinear, wanted: Optimize) -> nn.Module | None:
    """Return what takes the layer's place; None if nothing can."""
    weight = layer.to_dense() if isinstance(layer, PackedLinear) else layer.weight.detach()
    sparsity = wanted.pruning.sparsity
    if sparsity > 0:
        weight = _prune(weight, sparsity)
    if wanted.quantization is not Quantization.NONE:
        return quantize(weight, layer.bias, wanted.quantization)
    if sparsity <= 0:
        return None
    plain = nn.Linear(layer.in_features, layer.out_features, device="meta")
    plain.weight = nn.Parameter(weight, requires_grad=False)
    plain.bias = layer.bias
    return PackedLinear(plain) if isinstance(layer, PackedLinear) else plain


def _prune(weight: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Return the weight with that share of zeros, in place of the smallest numbers."""
    method: Any = prune.L1Unstructured(amount=sparsity)
    mask: torch.Tensor = method.compute_mask(weight, torch.ones_like(weight))
    return weight * mask


def _find_places(model: Any) -> Iterator[tuple[nn.Module, str]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            # Subclasses compute something else besides.
            if type(child) is nn.Linear or isinstance(child, PackedLinear):
                yield parent, name
