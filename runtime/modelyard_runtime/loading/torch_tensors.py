"""Between numpy's arrays and torch's tensors, for programs that torch runs."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import describe_device
from modelyard_runtime.loading.program import Arrays, Facts

DATATYPES = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.float32: "FP32",
    torch.float64: "FP64",
}


def to_tensors(arrays: Arrays, device: torch.device) -> dict[str, torch.Tensor]:
    """Put arrays on the device."""
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def to_arrays(outputs: Any, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a module returned as arrays by name.

    Mappings and dataclasses have names; of others `names` are taken, or `output`, or numbers.

    Raises:
        CannotStart: ModelUnsupported, there is something else than tensors.
    """
    named = _name(outputs, names)
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise CannotStart(
                Reason.MODEL_UNSUPPORTED,
                f"The model returns a {type(value).__name__} as {name!r}, and no tensor",
                hint="Return a tensor, or a tuple or dict of tensors; a class with a method "
                "predict may return any JSON (format state-dict).",
            )
    return {name: _to_array(value) for name, value in named.items()}


def describe_tensors(tensors: Iterable[torch.Tensor], device: torch.device) -> Facts:
    """Return the facts about a model of these weights."""
    count = size = 0
    sizes: dict[str, int] = {}
    for tensor in tensors:
        count += tensor.numel()
        size += tensor.numel() * tensor.element_size()
        dtype = str(tensor.dtype).removeprefix("torch.")
        sizes[dtype] = sizes.get(dtype, 0) + tensor.numel()
    most = max(sizes, key=lambda dtype: sizes[dtype], default="float32")
    return Facts(device.type, describe_device(device), most, count, size)


def describe_module(module: nn.Module, device: torch.device) -> Facts:
    """Return the facts about a module."""
    return describe_tensors(module.parameters(), device)


def _name(outputs: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if is_dataclass(outputs) and not isinstance(outputs, type):
        values = {field.name: getattr(outputs, field.name) for field in fields(outputs)}
        return {name: value for name, value in values.items() if value is not None}
    if isinstance(outputs, Mapping):
        return {str(name): value for name, value in outputs.items()}
    if not isinstance(outputs, list | tuple):
        return {names[0] if names else "output": outputs}
    if len(names) != len(outputs):
        names = tuple(f"output_{number}" for number in range(len(outputs)))
    return dict(zip(names, outputs, strict=True))


def _to_array(tensor: torch.Tensor) -> Any:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
