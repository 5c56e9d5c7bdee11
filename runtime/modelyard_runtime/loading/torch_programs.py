"""Loads programs that torch saved: TorchScript, and torch.export."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch.export.passes import move_to_device_pass

from modelyard_api.meta import Reason
from modelyard_runtime.domain import Signature, TensorSignature
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import choose_device, require_room
from modelyard_runtime.loading.program import Arrays, LoadedProgram
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.signature_file import read_signature
from modelyard_runtime.loading.torch_tensors import (
    DATATYPES,
    describe_module,
    describe_tensors,
    to_arrays,
    to_tensors,
)


def load_torchscript(wanted: Wanted) -> LoadedProgram:
    """Load an archive of torch.jit.save; the folder's signature.json says what it takes."""
    device = _choose_device(wanted)
    path = str(wanted.folder.path / wanted.detected.file_name)
    with warnings.catch_warnings():
        # Models of this kind exist; that new ones should be exported is no news for who serves.
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)
        module: Any = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
    module.eval()
    parameters = tuple(argument.name for argument in module.forward.schema.arguments[1:])
    signature = read_signature(wanted.folder.documents, parameters)
    names = tuple(tensor.name for tensor in signature.outputs)

    @torch.inference_mode()
    def run(arrays: Arrays) -> dict[str, Any]:
        tensors = to_tensors(arrays, device)
        return to_arrays(module(*(tensors[name] for name in parameters)), names)

    return LoadedProgram(wanted, describe_module(module, device), signature, run)


def load_export(wanted: Wanted) -> LoadedProgram:
    """Load an archive of torch.export.save."""
    device = _choose_device(wanted)
    program: Any = torch.export.load(wanted.folder.path / wanted.detected.file_name)
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    positional, named = _read_call(program)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    inputs = dict(zip((*positional, *named), program.graph_signature.user_inputs, strict=True))
    signature = Signature(tuple(_to_signature(name, values[node]) for name, node in inputs.items()))
    module = program.module()

    @torch.inference_mode()
    def run(arrays: Arrays) -> dict[str, Any]:
        tensors = to_tensors(arrays, device)
        outputs = module(
            *(tensors[name] for name in positional), **{name: tensors[name] for name in named}
        )
        return to_arrays(outputs)

    weights = (*program.state_dict.values(),)
    return LoadedProgram(wanted, describe_tensors(weights, device), signature, run)


def _choose_device(wanted: Wanted) -> torch.device:
    device = choose_device(wanted.device)
    size = (wanted.folder.path / wanted.detected.file_name).stat().st_size
    require_room(size, wanted.memory_bytes, device)
    return device


def _read_call(program: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the inputs, in their order: those without a name, and those with one."""
    inputs = program.graph_signature.user_inputs
    arguments, keywords = program.call_spec.in_spec.children()
    is_flat = all(child.is_leaf() for child in (*arguments.children(), *keywords.children()))
    if not is_flat or not all(isinstance(name, str) for name in inputs):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            "The program takes something else than tensors",
            hint="Export a module whose forward takes tensors, each an argument of its own.",
        )
    count = arguments.num_children
    return tuple(inputs[:count]), tuple(keywords.context)


def _to_signature(name: str, value: Any) -> TensorSignature:
    if not isinstance(value, torch.Tensor) or value.dtype not in DATATYPES:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The program's input {name!r} is {getattr(value, 'dtype', type(value).__name__)}",
            hint=f"Export it with inputs of {', '.join(DATATYPES.values())}.",
        )
    sizes: Iterable[Any] = value.shape  # symbols, where a dimension is free
    shape = tuple(size if isinstance(size, int) else -1 for size in sizes)
    return TensorSignature(name, DATATYPES[value.dtype], shape)
