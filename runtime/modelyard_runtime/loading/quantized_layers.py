"""Linear layers and tables of words in few bits, computed by torch's own kernels for CPUs.

Each row of the input is quantised by itself, or not at all, so that an answer does not depend on
who else is in the batch. decisions/0014-quantisation.md says why these kernels.
"""

from typing import Any

import torch
from torch import nn

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Quantization
from modelyard_runtime.errors import CannotStart

#: What a tensor may be asked that has no numbers.
_ASKABLE = frozenset({"__get__", "size", "dim", "numel", "is_floating_point", "element_size"})
_INT8_MAX = 127
_INT4_LEVELS = 15
_INT4_ZERO = 8
#: Keeps a row of zeros from being divided by 0.
_TINY = 1e-12
#: Columns of a weight that share a scale in int4. The kernel takes 32, 64, 128 and 256.
_GROUP = 32
#: The kernel for int4 makes so many rows of the weight together.
_INT4_ROWS = 16
#: Up to so many rows the kernel that unpacks int8 on the way is faster than unpacking it before.
_FEW_ROWS = 32
#: Rows of a weight that are unpacked at a time: the whole may take as much as a model.
_UNPACKED_ROWS = 4096
#: It reads beyond the end of a weight whose sides are not multiples of this.
_INT8_BLOCK = 32


class Outline(torch.Tensor):
    """Type and shape of a weight, without numbers: models ask for these (T5 for the type).

    Torch would compute with what stands in memory there, so whatever else is asked is refused.
    """

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer what a tensor's attributes say.

        Raises:
            CannotStart: ConfigInvalid, the model computes with a weight outside of its layer.
        """
        del types
        if func.__name__ in _ASKABLE:
            with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001
                return func(*args, **(kwargs or {}))
        raise CannotStart(
            Reason.CONFIG_INVALID,
            "The model computes with a weight outside of its layer "
            f"({func.__name__}), which quantised weights do not allow",
            hint="Remove spec.optimize.quantization for this architecture.",
        )


def draw_outline(rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
    """Return a weight's outline."""
    return torch.empty(rows, columns, dtype=dtype, device="meta").as_subclass(Outline)


class QuantizedLinear(nn.Module):
    """What they have in common: shapes, and a bias in the type of the model."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self._dtype = weight.dtype

    @property
    def weight(self) -> torch.Tensor:
        """Shape and type of the weight."""
        return draw_outline(self.out_features, self.in_features, self._dtype)

    @property
    def size_bytes(self) -> int:
        """Memory of the weight."""
        return _weigh_buffers(self)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Multiply with the weight; states of shape (..., in), any number type."""
        rows = states.reshape(-1, self.in_features)
        product = self._multiply(rows).to(states.dtype)
        if self.bias is not None:
            product.add_(self.bias)
        return product.reshape(*states.shape[:-1], self.out_features)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the product, which nobody else holds."""
        raise NotImplementedError


class _RowScaledLinear(QuantizedLinear):
    """The weight is in int8, symmetric, with a scale for each row."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__(weight, bias)
        integers, scales = _round_rows(weight.float())
        self.register_buffer("_integers", integers)
        self.register_buffer("_scales", scales)
        self._integers: torch.Tensor
        self._scales: torch.Tensor


class DynamicInt8Linear(_RowScaledLinear):
    """Weight and input are in int8, the sum is exact: symmetric, a scale for each row of both."""

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        integers, scales = _round_rows(rows.float())
        # torch's only product of int8 that is exact on every CPU, and what its own quantisation
        # library calls.
        sums = torch._int_mm(integers, self._integers.t())  # noqa: SLF001
        # In place: with many rows, memory made anew for each step takes longer than the product.
        return sums.mul(scales.unsqueeze(1)).mul_(self._scales)


class Int8Linear(_RowScaledLinear):
    """The weight is in int8, a scale for each row; bfloat16 is multiplied with it."""

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        is_odd = self.in_features % _INT8_BLOCK or self.out_features % _INT8_BLOCK
        short, scales = rows.bfloat16(), self._scales.bfloat16()
        if len(rows) > _FEW_ROWS or is_odd:
            return self._multiply_many(short.float(), scales.float())
        return torch._weight_int8pack_mm(short, self._integers, scales)  # noqa: SLF001

    def _multiply_many(self, rows: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
        """Unpack the weight, a part at a time.

        Rounded as the kernel does it, so that a row's answer hangs on no other rows.
        """
        parts = zip(
            torch.split(self._integers, _UNPACKED_ROWS),
            torch.split(scales, _UNPACKED_ROWS),
            strict=True,
        )
        products = [
            nn.functional.linear(rows, integers.float()).mul_(scale).bfloat16()
            for integers, scale in parts
        ]
        return products[0] if len(products) == 1 else torch.cat(products, dim=1)


class Int4Linear(QuantizedLinear):
    """The weight is in int4, with scale and offset for each 32 columns of a row; bfloat16."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__(weight, bias)
        groups = weight.float().reshape(self.out_features, -1, _GROUP)
        low, high = groups.amin(2, keepdim=True), groups.amax(2, keepdim=True)
        scales = (high - low).clamp_min(_TINY) / _INT4_LEVELS
        integers = ((groups - low) / scales).round().clamp(0, _INT4_LEVELS).to(torch.int32)
        # The kernel computes (integer - 8) * scale + offset.
        offsets = low + scales * _INT4_ZERO
        pairs = torch.cat([scales, offsets], dim=2).transpose(0, 1).contiguous()
        packed = torch._convert_weight_to_int4pack_for_cpu(integers.reshape(weight.shape), 1)  # noqa: SLF001
        self.register_buffer("_packed", packed)
        self.register_buffer("_pairs", pairs.bfloat16())
        self._packed: torch.Tensor
        self._pairs: torch.Tensor

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        return torch._weight_int4pack_mm_for_cpu(  # noqa: SLF001
            rows.bfloat16(), self._packed, _GROUP, self._pairs
        )


class Int8Embedding(nn.Module):
    """A table of words in int8, a scale for each word."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = table.num_embeddings, table.embedding_dim
        self._dtype = table.weight.dtype
        integers, scales = _round_rows(table.weight.detach().float())
        self.register_buffer("_integers", integers)
        self.register_buffer("_scales", scales)
        self._integers: torch.Tensor
        self._scales: torch.Tensor

    @property
    def weight(self) -> torch.Tensor:
        """Shape and type of the table."""
        return draw_outline(self.num_embeddings, self.embedding_dim, self._dtype)

    @property
    def size_bytes(self) -> int:
        """Memory of the table."""
        return _weigh_buffers(self)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the words' vectors, of shape (..., dimensions)."""
        return (self._integers[ids] * self._scales[ids].unsqueeze(-1)).to(self._dtype)


def quantize(
    weight: torch.Tensor, bias: torch.Tensor | None, kind: Quantization
) -> QuantizedLinear | None:
    """Return the layer in that form; None where its shape does not allow it."""
    rows, columns = weight.shape
    if kind is Quantization.DYNAMIC_INT8:
        return DynamicInt8Linear(weight, bias)
    if kind is Quantization.INT8:
        return Int8Linear(weight, bias)
    if kind is Quantization.INT4 and rows % _INT4_ROWS == 0 and columns % _GROUP == 0:
        return Int4Linear(weight, bias)
    return None


def _weigh_buffers(module: nn.Module) -> int:
    return sum(buffer.numel() * buffer.element_size() for buffer in module.buffers())


def _round_rows(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each row in int8, and what its integers are to be multiplied with."""
    scales = rows.abs().amax(dim=1).clamp_min_(_TINY).div_(_INT8_MAX)
    return (rows / scales.unsqueeze(1)).round_().to(torch.int8), scales
