"""Compiles a model's computation, for all sizes that requests may have."""

from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.calls import Call
from modelyard_runtime.loading.memory import read_resident_bytes, require_memory
from modelyard_runtime.loading.packing import unpack_linear_layers
from modelyard_runtime.loading.silence import silenced_libraries

_TEXT_DIMENSIONS = 2
_CAUSE_LENGTH = 300
#: torch's part 180 MiB, g++ 260 MiB, measured with torch 2.15.
_COMPILER_BYTES = 448 * 1024**2


def compile_model(model: Any, call: Call, memory_bytes: int) -> None:
    """Compile the model in place; `call` is one that was made of it, with two rows or more.

    Torch makes a program for any size greater than one and others for one: all are made here, so
    that no request waits for them.

    Raises:
        CannotStart: ConfigInvalid, it cannot be compiled; NotEnoughMemory.
    """
    resident = read_resident_bytes()
    require_memory(_COMPILER_BYTES, resident_bytes=resident, limit_bytes=memory_bytes)
    # The compiler knows nothing of packed layers, and merges what it knows.
    unpack_linear_layers(model)
    try:
        with silenced_libraries(), torch.inference_mode():
            forms = list_forms(model, call)
            model.compile(dynamic=True)
            for inputs in forms:
                model(**inputs)
    # Whatever it is: torch's own errors are of many kinds.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = f"{type(error).__name__}: {lines[0] if lines else ''}"[:_CAUSE_LENGTH]
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize.compile: a model of type {model.config.model_type} cannot be compiled: "
            f"{cause}",
            hint="Remove spec.optimize.compile.",
        ) from error


def list_forms(model: Any, call: Call) -> list[dict[str, torch.Tensor]]:
    """Return the call's inputs in all forms that have a program of their own.

    They are made for inference only, as those of requests are: that is part of the form. Some
    models take no text of one token, as those that read what stands at its end token.
    """
    is_text = all(tensor.dim() == _TEXT_DIMENSIONS for tensor in call.inputs.values())
    cuts = [
        (slice(rows), slice(width)) if is_text else (slice(rows),)
        for rows in (call.rows, 1)
        for width in ((None, 1) if is_text else (None,))
    ]
    forms = [{name: tensor[cut].clone() for name, tensor in call.inputs.items()} for cut in cuts]
    return [inputs for inputs in forms if _is_taken(model, inputs)]


def _is_taken(model: Any, inputs: dict[str, torch.Tensor]) -> bool:
    try:
        model(**inputs)
    except Exception:  # noqa: BLE001 - whatever it is, a request like it would fail as well
        return False
    return True
