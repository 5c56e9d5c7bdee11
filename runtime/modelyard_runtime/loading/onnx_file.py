"""Loads an ONNX file into onnxruntime."""

from typing import Any

import numpy as np
import onnxruntime
import torch

from modelyard_api.meta import Reason
from modelyard_runtime.domain import Signature, TensorSignature
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.memory import read_resident_bytes, require_memory
from modelyard_runtime.loading.onnx_vetting import vet_onnx
from modelyard_runtime.loading.program import Arrays, Facts, LoadedProgram
from modelyard_runtime.loading.registry import Wanted

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
# By the kind of device that is wanted; none takes the CPU.
_PROVIDERS = {"": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3


def load(wanted: Wanted) -> LoadedProgram:
    """Load the folder's ONNX file."""
    path = wanted.folder.path / wanted.detected.file_name
    contents = vet_onnx(path, wanted.folder.path)
    require_memory(
        contents.size_bytes,
        resident_bytes=read_resident_bytes(),
        limit_bytes=wanted.memory_bytes,
    )
    provider = _choose_provider(wanted.device)
    session = onnxruntime.InferenceSession(path, build_options(), providers=[provider])
    device = wanted.device or "cpu"
    return LoadedProgram(
        wanted,
        Facts(device, device, contents.dtype, contents.parameters, contents.size_bytes),
        Signature(
            tuple(_to_signature(tensor) for tensor in session.get_inputs()),
            tuple(_to_signature(tensor) for tensor in session.get_outputs()),
        ),
        lambda arrays: _run(session, arrays),
    )


def _choose_provider(device: str) -> str:
    provider = _PROVIDERS.get(device, "")
    if provider not in onnxruntime.get_available_providers():
        raise CannotStart(
            Reason.DEVICE_MISMATCH,
            f"the pod was given a GPU to compute on {device}, but onnxruntime "
            f"{onnxruntime.__version__} of this image computes on the CPU only",
            hint="Remove spec.resources.gpu, or use a runtime image with onnxruntime-gpu.",
        )
    return provider


def build_options() -> onnxruntime.SessionOptions:
    """Return how onnxruntime is to compute beside others, on the threads that torch was given."""
    options = onnxruntime.SessionOptions()
    # The pod's own share of the machine.
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Waiting threads that spin take the processor from other pods.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    return options


def _to_signature(tensor: Any) -> TensorSignature:
    datatype = _DATATYPES.get(tensor.type)
    if datatype is None:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The model's tensor {tensor.name!r} is a {tensor.type}, which this runtime does not "
            f"put to clients; it serves {', '.join(_DATATYPES)}",
            hint="Export the model with other inputs and outputs; zipmap=False keeps "
            "scikit-learn's exports from returning maps.",
        )
    # A dimension with a name, or with none, is free.
    shape = tuple(size if isinstance(size, int) else -1 for size in tensor.shape)
    return TensorSignature(tensor.name, datatype, shape)


def _run(session: onnxruntime.InferenceSession, arrays: Arrays) -> dict[str, Any]:
    names = [tensor.name for tensor in session.get_outputs()]
    outputs = session.run(names, dict(arrays))
    return {name: np.asarray(output) for name, output in zip(names, outputs, strict=True)}
