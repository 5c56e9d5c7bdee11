"""Loads models of Keras 3, on its torch backend (engine.start chooses it)."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import torch

from modelyard_api.meta import Reason
from modelyard_runtime.domain import DATATYPES, Signature, TensorSignature
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import choose_device, require_room
from modelyard_runtime.loading.program import Arrays, LoadedProgram
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.torch_tensors import describe_tensors, to_arrays, to_tensors

_NAMES = {dtype: datatype for datatype, dtype in DATATYPES.items()}


def load(wanted: Wanted) -> LoadedProgram:
    """Load a `.keras` or `.h5` file: no training, no code."""
    device = choose_device(wanted.device)
    path = wanted.folder.path / wanted.detected.file_name
    require_room(path.stat().st_size, wanted.memory_bytes, device)
    with warnings.catch_warnings():
        # Keras makes arrays of torch's tensors in a way that numpy 2 will want otherwise.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model: Any = keras.models.load_model(path, compile=False, safe_mode=True)
    if not getattr(model, "inputs", None):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} does not say what the model takes",
            hint="Begin the model with keras.Input(shape), or call it once before it is saved.",
        )
    signature = Signature(tuple(_to_signature(tensor) for tensor in model.inputs))
    # Sequential models have no structure of inputs: they take the only one as it is.
    structure, names = getattr(model, "input", model.inputs[0]), _name_outputs(model)

    @torch.inference_mode()
    def run(arrays: Arrays) -> dict[str, Any]:
        tensors = to_tensors(arrays, device)
        inputs = keras.tree.map_structure(lambda tensor: tensors[tensor.name], structure)
        return to_arrays(model(inputs, training=False), names)

    weights = [variable.value for variable in model.weights]
    return LoadedProgram(wanted, describe_tensors(weights, device), signature, run)


def _name_outputs(model: Any) -> tuple[str, ...]:
    """Return what Keras calls the outputs: by the layers that they come from."""
    names: Sequence[str] | None = getattr(model, "output_names", None)
    return tuple(names) if names else (model.layers[-1].name,)


def _to_signature(tensor: Any) -> TensorSignature:
    datatype = _NAMES.get("object" if tensor.dtype == "string" else tensor.dtype)
    if datatype is None or datatype == "BYTES":
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The model's input {tensor.name!r} is of {tensor.dtype}",
            hint="Do what comes before the numbers (vocabularies, hashing) outside of the model.",
        )
    shape = tuple(-1 if size is None else size for size in tensor.shape)
    return TensorSignature(tensor.name, datatype, shape)
