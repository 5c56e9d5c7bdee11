"""Stores the weights of linear layers in the blocked layout of oneDNN, on CPUs.

A decode step multiplies a few rows with every weight once. The ordinary routine first rearranges
each weight for that, every time; arranged once, the product of 16 rows takes little more than half
the time, that of 4 rows a third (measured on two cores, 1536 x 576).
"""

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import nn

_TOLERANCE = 1e-4
_TRIM_EVERY_BYTES = 64 * 1024**2


class PackedLinear(nn.Module):
    """A linear layer whose weight is stored in blocks, until somebody looks at it."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.in_features = plain.in_features
        self.out_features = plain.out_features
        self.bias = plain.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(plain.weight.detach(), None)  # noqa: SLF001
        self._dense: torch.Tensor | None = None

    @property
    def weight(self) -> torch.Tensor:
        """The plain weight, which takes the place of the packed one.

        A model that looks at it (T5 does, for its type) does so at every step, and making it anew
        each time costs more than packing saves.
        """
        if self._dense is None:
            # What is made for inference only could take no part in a gradient later.
            with torch.inference_mode(mode=False):
                self._dense = self._packed.to_dense()
            self._packed = None
        return self._dense

    def to_dense(self) -> torch.Tensor:
        """Return the plain weight, and stay packed."""
        return self._packed.to_dense() if self._dense is None else self._dense

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Multiply with the weight."""
        if self._dense is not None:
            return nn.functional.linear(states, self._dense, self.bias)
        if states.requires_grad and torch.is_grad_enabled():
            return _Product.apply(states, self._packed, self.bias)  # type: ignore[no-any-return]
        return _multiply(states, self._packed, self.bias)


class _Product(torch.autograd.Function):
    """The same product, with a gradient of the states; the weight and the bias have none."""

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        # Of the layer, not of this call: nothing is kept for the way back but a reference.
        ctx.packed = packed
        return _multiply(states, packed, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        # Made anew each time: kept, it would take as much memory as the model once more.
        return gradients[0] @ ctx.packed.to_dense(), None, None


def _multiply(
    states: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
        states, packed, bias, "none", [], ""
    )
    return product


def pack_linear_layers(model: nn.Module, *, spare_bytes: int) -> None:
    """Pack the model's linear layers, if this CPU can.

    A weight that others use as well (the output layer is often the embedding table) is needed in
    both layouts; it is packed only if the second copy takes no more than a quarter of
    `spare_bytes`.
    """
    if not can_pack():
        return
    uses = _count_uses(model)
    freed = 0
    for parent, name in list(_find_linear_layers(model)):
        linear: nn.Linear = getattr(parent, name)
        weight = linear.weight
        size = weight.numel() * weight.element_size()
        if uses[weight.data_ptr()] > 1 and size * 4 > spare_bytes:
            continue
        setattr(parent, name, PackedLinear(linear))
        freed += size
        del linear, weight
        if freed > _TRIM_EVERY_BYTES:
            freed = 0
            return_freed_memory()
    return_freed_memory()


def unpack_linear_layers(model: Any) -> None:
    """Put plain layers back: what traces a model knows nothing of packed ones.

    A weight that the table of words has as well is shared with it again.
    """
    table = _find_table(model)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, PackedLinear):
                setattr(parent, name, _unpack(layer, table))
    return_freed_memory()


def _unpack(layer: PackedLinear, table: nn.Parameter | None) -> nn.Linear:
    with torch.inference_mode(mode=False):
        weight = layer.to_dense()
    plain = nn.Linear(layer.in_features, layer.out_features, device="meta")
    if table is not None and table.shape == weight.shape and torch.equal(table, weight):
        plain.weight = table
    else:
        plain.weight = nn.Parameter(weight, requires_grad=False)
    plain.bias = layer.bias
    return plain.eval()


def _find_table(model: Any) -> nn.Parameter | None:
    with suppress(NotImplementedError):
        table = model.get_input_embeddings()
        weight: Any = table.weight if type(table) is nn.Embedding else None
        return weight  # type: ignore[no-any-return]
    return None


def can_pack() -> bool:
    """Try it on a small layer: the functions are torch's own, but not part of its promised API."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    plain = nn.Linear(32, 48)
    states = torch.linspace(-1, 1, 64).reshape(2, 32)
    try:
        with torch.inference_mode():
            difference = (PackedLinear(plain)(states) - plain(states)).abs().max().item()
    except (AttributeError, RuntimeError):
        return False
    return bool(difference < _TOLERANCE)


def _find_linear_layers(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            # Subclasses compute something else besides.
            if type(child) is nn.Linear and child.weight.dtype is torch.float32:
                yield parent, name


def return_freed_memory() -> None:
    """Give the operating system back what the allocator holds."""
    # The allocator keeps what is freed for later, and the aligned packed weights do not fit into
    # the gaps of the plain ones: without this the process holds the weights twice.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _count_uses(model: nn.Module) -> dict[int, int]:
    uses: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            uses[parameter.data_ptr()] = uses.get(parameter.data_ptr(), 0) + 1
    return uses
