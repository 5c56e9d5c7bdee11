"""An example of a request, made of the one that the task declares. Pure."""

from typing import Any

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.protocols.open_inference.signature import derive_signature
from modelyard_runtime.tasks.spec import TaskSpec


def build_example(spec: TaskSpec) -> dict[str, Any]:
    """Return a body for the route that infers."""
    signature = derive_signature(spec)
    inputs = []
    for header in signature.inputs:
        value = spec.example[header.name]
        data = value if isinstance(value, list) else [value]
        inputs.append(
            {"name": header.name, "shape": [len(data)], "datatype": header.datatype, "data": data}
        )
    names = {header.name for header in signature.inputs}
    parameters = {name: value for name, value in spec.example.items() if name not in names}
    return {"inputs": inputs, **({"parameters": parameters} if parameters else {})}


def add_example(paths: dict[str, Any], spec: TaskSpec) -> None:
    """Put the example where an OpenAPI document describes what infers.

    Of a model that takes tensors, only its metadata tell what they are.
    """
    if spec.task is Task.PREDICT:
        return
    example = build_example(spec)
    for path, methods in paths.items():
        if path.endswith("/infer"):
            methods["post"]["requestBody"]["content"]["application/json"]["example"] = example
