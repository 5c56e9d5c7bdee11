"""Stores the weights of linear layers in the blocked layout of oneDNN, on CPUs.

A decode step multiplies a few rows with every weight once. The ordinary routine first rearranges
each weight for that, every time; arranged once, the product of 16 rows takes little more than half
the time, that of 4 rows a third (measured on two cores, 1536 x 576).
"""

import ctypes
from collections.abc import Iterator
from contextlib import suppress

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
            self._dense = self._packed.to_dense()
            self._packed = None
        return self._dense

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Multiply with the weight."""
        if self._dense is not None:
            return nn.functional.linear(states, self._dense, self.bias)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            states, self._packed, self.bias, "none", [], ""
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
            _return_freed_memory()
    _return_freed_memory()


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


def _return_freed_memory() -> None:
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
