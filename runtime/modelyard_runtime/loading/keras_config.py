"""Reads what a Keras model would build, before Keras builds it. Pure.

Keras makes objects by the names that the model's configuration gives. Its safe mode refuses
lambdas; names of other modules, of wrapped programs and of local files it has followed in one
release or another, so none of them gets as far as Keras.
"""

from collections.abc import Iterator, Mapping
from typing import Any

#: Layers that carry code or open another program, and marks of what is rebuilt from code.
_FORBIDDEN = frozenset(
    {"Lambda", "SlicingOpLambda", "TFOpLambda", "TFSMLayer", "TorchModuleWrapper"}
    | {"JaxLayer", "FlaxLayer", "TensorFlowOpLayer", "__lambda__", "__typespec__"}
)
#: Parts of Keras that models are made of. Others download, save and convert files.
_PARTS = frozenset(
    {"layers", "models", "activations", "initializers", "regularizers", "constraints"}
    | {"optimizers", "losses", "metrics", "dtype_policies", "random", "ops", "quantizers"}
)
#: How the model was trained; nothing of it is loaded.
_TRAINING = frozenset({"compile_config", "training_config", "optimizer_config"})


def find_fault(config: Any) -> str | None:
    """Return what of a configuration is no plain part of Keras; None if all of it is."""
    for part in _walk(config):
        fault = _find_fault(part)
        if fault is not None:
            return fault
    return None


def _walk(config: Any) -> Iterator[Mapping[str, Any]]:
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(value for key, value in item.items() if key not in _TRAINING)
        elif isinstance(item, list):
            pending.extend(item)


def _find_fault(part: Mapping[str, Any]) -> str | None:
    if isinstance(part.get("vocabulary"), str):
        return f"reads the file {part['vocabulary'][:200]!r}"
    return _find_foreign_class(part) if "class_name" in part else None


def _find_foreign_class(part: Mapping[str, Any]) -> str | None:
    name, module = part["class_name"], part.get("module")
    registered = part.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None):
        return "names a class by something that is no text"
    if name in _FORBIDDEN:
        return f"has a {name}, which brings code of its own"
    if module is not None and not _is_part_of_keras(module):
        return f"names {module[:200]}.{name[:200]}, which is no part of Keras"
    if any(isinstance(text, str) and ">" in text for text in (name, registered)):
        return f"names {(registered or name)[:200]!r}, a class that is no part of Keras"
    return None


def _is_part_of_keras(module: str) -> bool:
    if module in {"keras", "builtins"}:
        return True
    first, _, rest = module.removeprefix("keras.src.").removeprefix("keras.").partition(".")
    return module.startswith("keras.") and first in _PARTS and ".." not in rest
