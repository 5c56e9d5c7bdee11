"""How backends call a model: with which tensors, and what it answers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Tensors = Mapping[str, torch.Tensor]

#: What backends read of an output. Others, such as states of every layer, are not computed.
_READ = ("logits", "start_logits", "end_logits", "last_hidden_state")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call: the tensors given by name, and those of its output that a backend reads."""

    inputs: Tensors
    outputs: Tensors

    @property
    def rows(self) -> int:
        """Size of the batch."""
        return len(next(iter(self.inputs.values())))

    def measure_difference(self, outputs: Tensors) -> float:
        """Return the largest difference to these outputs, relative to what is larger than one.

        What stands at places of padding means nothing, and is left out.
        """
        return max(
            _differ(expected, outputs[name], self.inputs.get("attention_mask"))
            for name, expected in self.outputs.items()
        )


@contextmanager
def recorded_calls(model: nn.Module) -> Iterator[list[Call]]:
    """Collect the calls of the model that are made inside."""
    calls: list[Call] = []

    def note(_: nn.Module, __: tuple[Any, ...], inputs: dict[str, Any], output: Any) -> None:
        # Made for inference only, they could not be traced later.
        with torch.inference_mode(mode=False):
            calls.append(
                Call(
                    {name: tensor.clone() for name, tensor in inputs.items()},
                    {name: output[name].clone() for name in _READ if name in output},
                )
            )

    hook = model.register_forward_hook(note, with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


def _differ(expected: torch.Tensor, found: torch.Tensor, mask: torch.Tensor | None) -> float:
    if expected.shape != found.shape:
        return float("inf")
    differences = (found - expected).abs() / expected.abs().clamp_min(1.0)
    if mask is not None and differences.shape[:2] == mask.shape:
        differences = differences[mask.bool()]
    # Also of numbers that are none: they compare as greater.
    return float(differences.nan_to_num(nan=float("inf")).max())
