"""Loads weights into a class that the model brings: `module:Class`, in its folder."""

import inspect
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.archives import DAMAGED_HINT
from modelyard_runtime.loading.entrypoint import explain_failure, import_class
from modelyard_runtime.loading.loaded import choose_device, require_room
from modelyard_runtime.loading.program import Arrays, Facts, LoadedClass, LoadedProgram
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.signature_file import read_signature
from modelyard_runtime.loading.torch_tensors import describe_module, to_arrays, to_tensors

_SHOWN = 4


def load(wanted: Wanted) -> LoadedProgram | LoadedClass:
    """Load the weights, and return the class by its `predict`, or else by its `forward`."""
    path = wanted.folder.path / wanted.detected.file_name
    device = choose_device(wanted.device)
    require_room(path.stat().st_size, wanted.memory_bytes, device)
    weights = _read_weights(path)
    module = _build_module(wanted)
    _fill(module, weights, path.name, wanted.detected.entrypoint)
    module.to(device).eval().requires_grad_(requires_grad=False)
    facts = describe_module(module, device)
    predict = getattr(module, "predict", None)
    if predict is not None:
        example = getattr(module, "example", None)
        return LoadedClass(wanted, facts, torch.inference_mode()(predict), example)
    if wanted.detected.task is not Task.PREDICT:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{wanted.detected.entrypoint} has no method predict, which the task "
            f"{wanted.detected.task.value} asks for answers",
            hint="Add predict(self, inputs: list) -> list, or set spec.model.task to predict.",
        )
    return _load_program(wanted, facts, module, device)


def _load_program(
    wanted: Wanted, facts: Facts, module: nn.Module, device: torch.device
) -> LoadedProgram:
    parameters = tuple(inspect.signature(module.forward).parameters)
    signature = read_signature(wanted.folder.documents, parameters)
    names = tuple(tensor.name for tensor in signature.outputs)

    @torch.inference_mode()
    def run(arrays: Arrays) -> dict[str, Any]:
        return to_arrays(module(**to_tensors(arrays, device)), names)

    return LoadedProgram(wanted, facts, signature, run)


def _build_module(wanted: Wanted) -> nn.Module:
    entrypoint = wanted.detected.entrypoint
    found = import_class(wanted.folder.path, entrypoint)
    if not issubclass(found, nn.Module):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"spec.model.entrypoint {entrypoint!r} is no torch.nn.Module",
            hint="Name the module that the weights are of.",
        )
    if not isinstance(wanted.folder.documents.get("config.json", {}), dict):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"config.json is no object, and so no arguments of {entrypoint}",
            hint='Write the arguments by name: {"layers": 2}; without any leave the file out.',
        )
    try:
        module: nn.Module = found(**wanted.folder.config)
    except (Exception, SystemExit) as error:
        what = f"Building {found.__name__} with config.json ({', '.join(wanted.folder.config)})"
        raise explain_failure(what, error) from error
    return module


def _read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    """Read tensors, and nothing but tensors: a pickle that asks for more is refused."""
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{path.name} is a pickle of more than weights: {_find_cause(error)}",
            hint="Save weights alone, with torch.save(model.state_dict(), path) or as safetensors.",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{path.name} ({path.stat().st_size} bytes) cannot be read: {_first_line(error)}",
            hint=DAMAGED_HINT,
        ) from error
    if not isinstance(weights, Mapping) or not all(
        isinstance(tensor, torch.Tensor) for tensor in weights.values()
    ):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} holds a {type(weights).__name__}, and no weights by name",
            hint="Save weights alone, with torch.save(model.state_dict(), path).",
        )
    return weights


def _fill(
    module: nn.Module, weights: Mapping[str, torch.Tensor], file: str, entrypoint: str
) -> None:
    try:
        missing, unexpected = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # shapes
        raise _unfit(file, entrypoint, " ".join(str(error).split())) from error
    if missing or unexpected:
        parts = [("lacks", missing), ("holds what the class does not have:", unexpected)]
        problem = ", and ".join(f"it {verb} {_shorten(keys)}" for verb, keys in parts if keys)
        raise _unfit(file, entrypoint, problem)


def _unfit(file: str, entrypoint: str, problem: str) -> CannotStart:
    return CannotStart(
        Reason.MODEL_FILE_CORRUPT,
        f"The weights of {file} are not those of {entrypoint}: {problem}",
        hint="Publish the class together with the weights that were saved from it, and its "
        "arguments as config.json.",
    )


def _shorten(keys: Collection[str]) -> str:
    more = len(keys) - _SHOWN
    return ", ".join(sorted(keys)[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _find_cause(error: pickle.UnpicklingError) -> str:
    """Return the sentence about what was asked for, out of torch's long advice."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if "WeightsUnpickler error" in line or "GLOBAL" in line]
    return (causes or lines or [""])[0][:300]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
