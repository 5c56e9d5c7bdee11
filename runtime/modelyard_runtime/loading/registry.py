"""Which function loads what: a table of names, so that only the one in use is imported."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelyard_api.v1alpha1 import DType, Format
from modelyard_runtime.loading.adapter_vetting import Adapter
from modelyard_runtime.loading.detection import Detected
from modelyard_runtime.loading.folder import ModelFolder

LOADERS: dict[Format, str] = {
    Format.TRANSFORMERS: "modelyard_runtime.loading.transformers_folder:load",
    Format.GGUF: "modelyard_runtime.loading.gguf_file:load_causal_lm",
    Format.ONNX: "modelyard_runtime.loading.onnx_file:load",
    Format.KERAS: "modelyard_runtime.loading.keras_file:load",
    Format.TORCHSCRIPT: "modelyard_runtime.loading.torch_programs:load_torchscript",
    Format.TORCH_EXPORT: "modelyard_runtime.loading.torch_programs:load_export",
    Format.STATE_DICT: "modelyard_runtime.loading.state_dict:load",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to load, and how: the one argument of every loader."""

    folder: ModelFolder
    detected: Detected
    dtype: DType
    memory_bytes: int
    device: str = ""
    """The kind of device it must be (`cuda`); empty takes what there is."""
    adapters: tuple[Adapter, ...] = ()


def import_function(name: str) -> Callable[..., Any]:
    """Import `module:function`."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
