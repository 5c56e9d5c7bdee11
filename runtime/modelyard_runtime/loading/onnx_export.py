"""Puts a session of onnxruntime into the place of a model of transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as faults
from torch import nn
from torch.export import Dim

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.calls import Call
from modelyard_runtime.loading.exported import ExportedModel
from modelyard_runtime.loading.memory import read_resident_bytes, require_memory
from modelyard_runtime.loading.onnx_file import build_options
from modelyard_runtime.loading.packing import return_freed_memory, unpack_linear_layers
from modelyard_runtime.loading.silence import silenced_libraries

#: How far what onnxruntime computes may be from what torch did.
_TOLERANCE = 1e-3
#: While the session is built there are the model's weights, their export and the session's copy.
_COPIES = 2
#: What torch's exporter allocates, half of it for good: 300 MiB, measured with torch 2.15.
_EXPORTER_BYTES = 320 * 1024**2
#: The name under which the graph looks for its weights. There is no such file.
_WEIGHTS = "weights"
#: Smaller tensors stay in the graph: they are shapes and numbers more than weights.
_INLINE_BYTES = 1024
_ALIGNMENT = 64
_TEXT_DIMENSIONS = 2
_CAUSE_LENGTH = 300

Bytes = NDArray[np.uint8]


def export_model(model: Any, calls: Sequence[Call], memory_bytes: int) -> ExportedModel:
    """Return the model as onnxruntime computes it; the weights of the one given are dropped.

    `calls` are some that were made of it, at least one with two rows or more.

    Raises:
        CannotStart: ConfigInvalid, it cannot be converted, or computes something else then;
            NotEnoughMemory.
    """
    _require_plain(model)
    unpack_linear_layers(model)
    size = sum(parameter.numel() * parameter.itemsize for parameter in model.parameters())
    resident = read_resident_bytes()
    needed = size * _COPIES + _EXPORTER_BYTES
    require_memory(needed, resident_bytes=resident, limit_bytes=memory_bytes)
    config = model.config
    try:
        with silenced_libraries():
            graph, weights = _export(model, max(calls, key=lambda call: call.rows))
        model.to("meta")
        return_freed_memory()
        exported = _start(graph, weights, config)
        difference = max(call.measure_difference(exported.compute(call.inputs)) for call in calls)
    except (torch.onnx.OnnxExporterError, *_SESSION_FAULTS) as error:
        raise _refuse(config.model_type, _shorten(error)) from error
    del graph, weights
    return_freed_memory()
    if difference > _TOLERANCE:
        raise _refuse(config.model_type, f"its answers then differ by {difference:.2g}")
    return exported


_SESSION_FAULTS = (
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.NotImplemented,
    faults.RuntimeException,
)


class _Traced(nn.Module):
    """The model with tensors only, in and out, in an order of their own."""

    def __init__(self, model: nn.Module, call: Call) -> None:
        super().__init__()
        self._model = model
        self._inputs, self._outputs = tuple(call.inputs), tuple(call.outputs)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output = self._model(**dict(zip(self._inputs, tensors, strict=True)))
        return tuple(output[name] for name in self._outputs)


def _export(model: Any, call: Call) -> tuple[bytes, Bytes]:
    """Return the model's graph and its weights."""
    # Decoders that classify would put the states of all layers into a cache that nobody reads.
    model.config.use_cache = False
    program = torch.onnx.export(
        _Traced(model, call).eval(),
        tuple(call.inputs.values()),
        input_names=list(call.inputs),
        output_names=list(call.outputs),
        dynamic_shapes=(tuple(_free_dimensions(tensor) for tensor in call.inputs.values()),),
        dynamo=True,
        verbose=False,
    )
    if program is None:
        message = "the exporter of torch returned nothing"
        raise torch.onnx.OnnxExporterError(message)
    return _split(program.model)


def _free_dimensions(tensor: torch.Tensor) -> dict[int, Any]:
    """Say which dimensions may be of any size.

    Of texts, the number and the length; of pictures the number, and what else the model allows.
    """
    is_text = tensor.dim() == _TEXT_DIMENSIONS
    others = Dim.DYNAMIC if is_text else Dim.AUTO
    return {0: Dim.DYNAMIC} | dict.fromkeys(range(1, tensor.dim()), others)


def _split(model: onnx_ir.Model) -> tuple[bytes, Bytes]:
    """Take the weights out of the graph, which alone must be smaller than 2 GB."""
    for node in model.graph.all_nodes():
        # The lines of Python that it was traced from: more than half of a small model.
        node.metadata_props.clear()
    large = [
        value
        for value in model.graph.initializers.values()
        if value.const_value is not None and value.const_value.nbytes >= _INLINE_BYTES
    ]
    tensors = [value.const_value for value in large if value.const_value is not None]
    weights = np.zeros(sum(_align(tensor.nbytes) for tensor in tensors), np.uint8)
    offset = 0
    for value, tensor in zip(large, tensors, strict=True):
        array = np.ascontiguousarray(tensor.numpy())
        data = array.reshape(-1).view(np.uint8)
        weights[offset : offset + data.nbytes] = data
        value.const_value = onnx_ir.ExternalTensor(
            _WEIGHTS,
            offset,
            data.nbytes,
            tensor.dtype,
            shape=onnx_ir.Shape(array.shape),
            name=value.name or "",
        )
        offset += _align(data.nbytes)
    return onnx_ir.to_proto(model).SerializeToString(), weights


def _start(graph: bytes, weights: Bytes, config: Any) -> ExportedModel:
    options = build_options()
    # Copied while the session is built.
    options.add_external_initializers_from_files_in_memory([_WEIGHTS], [weights], [weights.nbytes])
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return ExportedModel(session, config, len(graph) + weights.nbytes)


def _align(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _require_plain(model: Any) -> None:
    if (model.device.type, model.dtype) != ("cpu", torch.float32):
        dtype = str(model.dtype).removeprefix("torch.")
        raise CannotStart(
            Reason.CONFIG_INVALID,
            "spec.optimize.export is for models in float32 on a CPU, and this one is in "
            f"{dtype} on {model.device.type}",
            hint="Remove spec.optimize.export, or spec.runtime.dtype and spec.resources.gpu.",
        )


def _refuse(model_type: str, cause: str) -> CannotStart:
    return CannotStart(
        Reason.CONFIG_INVALID,
        f"spec.optimize.export: a model of type {model_type} cannot be converted to ONNX: {cause}",
        hint="Remove spec.optimize.export; quantization dynamic-int8 makes a model faster as well.",
    )


def _shorten(error: BaseException) -> str:
    """Return what went wrong in a line: exporters add reports and advice on themselves."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:_CAUSE_LENGTH]
