"""A model of transformers that onnxruntime computes."""

from types import SimpleNamespace
from typing import Any

import torch

from modelyard_runtime.loading.calls import Tensors


class ExportedModel:
    """What backends use of a model; its inputs and outputs have the names of transformers."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, session: Any, config: Any, size_bytes: int) -> None:
        self.config = config
        self.size_bytes = size_bytes
        self._session = session
        self._inputs = [tensor.name for tensor in session.get_inputs()]
        self._outputs = [tensor.name for tensor in session.get_outputs()]

    def __call__(self, **inputs: torch.Tensor) -> Any:
        """Return an object that has the tensors of the output."""
        return SimpleNamespace(**self.compute(inputs))

    def compute(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        """Return the tensors of the output."""
        arrays = {name: inputs[name].numpy() for name in self._inputs}
        outputs = self._session.run(self._outputs, arrays)
        return {
            name: torch.from_numpy(output)
            for name, output in zip(self._outputs, outputs, strict=True)
        }
