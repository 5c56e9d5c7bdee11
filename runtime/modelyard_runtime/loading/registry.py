"""Which function loads what: a table of names, so that only the one in use is imported."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelyard_api.v1alpha1 import DType, Format, Task
from modelyard_runtime.loading.detection import Detected
from modelyard_runtime.loading.folder import ModelFolder

LOADERS: dict[tuple[Format, Task], str] = {
    (Format.TRANSFORMERS, Task.TEXT_GENERATION): (
        "modelyard_runtime.loading.transformers_folder:load_causal_lm"
    ),
    (Format.TRANSFORMERS, Task.EMBEDDINGS): (
        "modelyard_runtime.loading.transformers_folder:load_encoder"
    ),
    (Format.TRANSFORMERS, Task.TEXT_CLASSIFICATION): (
        "modelyard_runtime.loading.transformers_folder:load_classifier"
    ),
    (Format.GGUF, Task.TEXT_GENERATION): "modelyard_runtime.loading.gguf_file:load_causal_lm",
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


def import_function(name: str) -> Callable[..., Any]:
    """Import `module:function`."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
