"""Examples of a request, made of those that the task declares. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelyard_runtime.domain import Signature
from modelyard_runtime.protocols.open_inference.signature import derive_signature
from modelyard_runtime.tasks.spec import TaskSpec


def build_example(spec: TaskSpec, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body for the route that infers; `example` is one of the task's own route."""
    signature = derive_signature(spec)
    inputs = []
    for header in signature.inputs:
        value = example[header.name]
        data = value if isinstance(value, list) else [value]
        inputs.append(
            {"name": header.name, "shape": [len(data)], "datatype": header.datatype, "data": data}
        )
    names = {header.name for header in signature.inputs}
    parameters = {name: value for name, value in example.items() if name not in names}
    return {"inputs": inputs, **({"parameters": parameters} if parameters else {})}


def build_tensor_example(signature: Signature, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body for the route that infers; `tensors` are nested lists by name."""
    inputs = []
    for header in signature.inputs:
        # Of objects, so that no number changes.
        array = np.array(tensors[header.name], dtype=object)
        inputs.append(
            {
                "name": header.name,
                "shape": list(array.shape),
                "datatype": header.datatype,
                "data": array.ravel().tolist(),
            }
        )
    return {"inputs": inputs}
