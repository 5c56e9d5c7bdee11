"""A model in memory, with what serving it needs to know, and the checks all loaders share."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Optimization
from modelyard_runtime.domain import ModelInfo
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.memory import read_resident_bytes, require_memory
from modelyard_runtime.loading.packing import pack_linear_layers
from modelyard_runtime.loading.registry import Wanted

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model on its device, ready to be used, and the size of its weights.

    `tokenizer` is None where the model reads no text; `processor` is what turns pictures or sounds
    into the model's input, None where it takes neither.
    """

    model: PreTrainedModel
    tokenizer: Any
    wanted: Wanted
    dtype: torch.dtype
    parameters: int
    size_bytes: int
    processor: Any = None
    optimization: Optimization | None = None

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None,
        wanted: Wanted,
        device: torch.device,
        *,
        processor: Any = None,
    ) -> "Loaded":
        """Put a freshly loaded model on its device, to be used and not trained."""
        module: nn.Module = model
        module.to(device).eval().requires_grad_(requires_grad=False)
        dtype = model.dtype
        parameters = sum(parameter.numel() for parameter in module.parameters())
        if device.type == "cpu":
            pack_linear_layers(model, spare_bytes=wanted.memory_bytes - read_resident_bytes())
        size_bytes = parameters * dtype.itemsize
        return cls(model, tokenizer, wanted, dtype, parameters, size_bytes, processor)

    @property
    def device_type(self) -> str:
        """Kind of device: `cpu` or `cuda`."""
        return str(self.model.device.type)

    def describe(self, name: str, context_tokens: int) -> ModelInfo:
        """Return the facts about it."""
        return ModelInfo(
            name=name,
            task=self.wanted.detected.task,
            format=self.wanted.detected.format.value,
            device=describe_device(self.model.device),
            dtype=str(self.dtype).removeprefix("torch."),
            parameters=self.parameters,
            size_bytes=self.size_bytes,
            context_tokens=context_tokens,
            optimization=self.optimization,
        )


def describe_device(device: torch.device) -> str:
    """Return `cpu`, or the GPU with its product name."""
    if device.type != "cuda":
        return device.type
    return f"cuda:{device.index or 0} {torch.cuda.get_device_name(device)}"


def choose_device(wanted: str = "") -> torch.device:
    """Return the GPU if there is one, else the CPU.

    Raises:
        CannotStart: DeviceMismatch, if that is not the kind of device that is wanted. A model which
            quietly runs on the CPU of a GPU node holds the GPU, and answers far too slowly.
    """
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if wanted and device.type != wanted:
        raise CannotStart(
            Reason.DEVICE_MISMATCH,
            f"the pod was given a GPU to compute on {wanted}, but torch {torch.__version__} finds "
            f"no such device and would run on {describe_device(device)}",
            hint="Use a runtime image whose torch is built for this device (the chart's "
            "runtime.image, or spec.runtime.image), check the driver on the node, or correct "
            "`device` in the platform's GPU profile.",
        )
    return device


def choose_dtype(wanted: DType, stored: Any, device: torch.device) -> torch.dtype:
    """Return the number type: on a GPU as stored, on a CPU float32.

    CPUs without AVX512-BF16 or AMX emulate the short types, at a fraction of float32's speed.
    """
    if wanted is not DType.AUTO:
        return _DTYPES[wanted]
    if device.type == "cpu":
        return torch.float32
    return stored if isinstance(stored, torch.dtype) else torch.float16


def require_room(weights_bytes: int, memory_bytes: int, device: torch.device) -> None:
    """Refuse weights that fit neither beside the process in its memory nor on the GPU.

    Raises:
        CannotStart: NotEnoughMemory.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        require_memory(weights_bytes, resident_bytes=0, limit_bytes=free, place="GPU")
    else:
        resident = read_resident_bytes()
        require_memory(weights_bytes, resident_bytes=resident, limit_bytes=memory_bytes)


def require_all_weights(missing: Collection[str], source: str) -> None:
    """Refuse a model of which some weights are in no file: transformers would make them up.

    Raises:
        CannotStart: ModelFileCorrupt, naming some of them.
    """
    if not missing:
        return
    names = sorted(missing)
    shown = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN} more"
    raise CannotStart(
        Reason.MODEL_FILE_CORRUPT,
        f"{source} lacks weights of the model: {shown}",
        hint="The weights are of another architecture than config.json says, or were saved "
        "incompletely; save the model again with save_pretrained.",
    )


_DTYPES = {
    DType.FLOAT32: torch.float32,
    DType.FLOAT16: torch.float16,
    DType.BFLOAT16: torch.bfloat16,
}
