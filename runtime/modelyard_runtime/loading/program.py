"""A model that is a program of named tensors, whatever library runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from modelyard_runtime.domain import ModelInfo, Signature
from modelyard_runtime.loading.registry import Wanted

Arrays = Mapping[str, NDArray[Any]]
#: Computes the outputs of inputs as the signature has them.
Run = Callable[[Arrays], dict[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a model is, and how large. `device_type` is `cpu` or `cuda`, `device` names it."""

    device_type: str
    device: str
    dtype: str
    parameters: int
    size_bytes: int

    def describe(self, wanted: Wanted, name: str, context_tokens: int) -> ModelInfo:
        """Return the facts as the report has them."""
        return ModelInfo(
            name=name,
            task=wanted.detected.task,
            format=wanted.detected.format.value,
            device=self.device,
            dtype=self.dtype,
            parameters=self.parameters,
            size_bytes=self.size_bytes,
            context_tokens=context_tokens,
        )


@dataclass(frozen=True, slots=True)
class LoadedProgram:
    """A loaded program. The outputs' signature is empty where only running it tells."""

    wanted: Wanted
    facts: Facts
    signature: Signature
    run: Run

    @property
    def device_type(self) -> str:
        """Kind of device."""
        return self.facts.device_type

    def describe(self, name: str, context_tokens: int) -> ModelInfo:
        """Return the facts about it."""
        return self.facts.describe(self.wanted, name, context_tokens)


@dataclass(frozen=True, slots=True)
class LoadedClass:
    """A class that the model brought, with its weights: values in, as many values out.

    `example` is a value that it can answer; None if it names none.
    """

    wanted: Wanted
    facts: Facts
    predict: Callable[[list[Any]], Any]
    example: Any

    @property
    def device_type(self) -> str:
        """Kind of device."""
        return self.facts.device_type

    def describe(self, name: str, context_tokens: int) -> ModelInfo:
        """Return the facts about it."""
        return self.facts.describe(self.wanted, name, context_tokens)
