"""Gradients through a model that was loaded to be used, not trained: whether, and at what cost."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from modelyard_runtime.errors import InvalidRequest, NotSupported
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.loading.memory import format_gib, read_resident_bytes

# Of the memory beside the loaded model, what gradients may take: others compute beside them.
_SHARE = 4
# A way there and back takes about as long as three ways there.
_PASSES = 3
# Types of weights in few bits, by which layers of any quantisation are known.
_ROUNDED = frozenset({torch.int8, torch.uint8, torch.qint8, torch.quint8})


@dataclass(frozen=True, slots=True)
class Room:
    """What a batch may take: so many tokens in time, and so many bytes kept for the way back."""

    max_tokens: int
    spare_bytes: int

    @property
    def longest(self) -> int:
        """Tokens of a row that takes no longer than a full batch of plain rows: others wait."""
        return self.max_tokens // _PASSES

    def find_length(self, tokens: int, kept_bytes: int, *, param: str) -> int:
        """Return the tokens that a row counts for, so that a full batch is within both bounds.

        Raises:
            InvalidRequest: the row alone is not; `param` is the field that is named.
        """
        if kept_bytes > self.spare_bytes:
            raise InvalidRequest(
                f"explaining this {param} takes {format_gib(kept_bytes)} of memory at once, and "
                f"{format_gib(self.spare_bytes)} are there for it; send a smaller one, or raise "
                "spec.resources.memory",
                param=param,
                code="not_enough_memory",
            )
        share = kept_bytes / max(self.spare_bytes, 1)
        return max(_PASSES * tokens, math.ceil(share * self.max_tokens))


@contextmanager
def differentiating() -> Iterator[None]:
    """Let gradients be taken inside.

    Compiled code is left out: it would not call the hook that replaces the embeddings, or would
    keep it for all later requests.
    """
    with torch.compiler.set_stance("force_eager"), torch.enable_grad():
        yield


def take_gradient(scores: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """Return the gradient of each row's score by that row's point.

    Raises:
        NotSupported: the model computes something that has no gradient.
    """
    try:
        (gradient,) = torch.autograd.grad(scores.sum(), point)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise explain_missing_gradient(str(error).partition("\n")[0]) from error
    return gradient


def explain_missing_gradient(cause: str) -> NotSupported:
    """Return the fault of a model that cannot be explained."""
    return NotSupported(
        f"This model cannot be explained, since that takes its gradient: {cause}. Serve the "
        "original model, neither quantised nor exported, to have its answers explained.",
        code="not_explainable",
    )


def read_spare_bytes(loaded: Loaded) -> int:
    """Return what gradients may take of the memory."""
    if loaded.device_type == "cuda":
        return int(torch.cuda.mem_get_info(loaded.model.device)[0]) // _SHARE
    return max(loaded.wanted.memory_bytes - read_resident_bytes(), 0) // _SHARE


def measure_kept_bytes(model: nn.Module, forward: Callable[[], torch.Tensor]) -> int:
    """Return what a forward pass would keep in memory for the way back; nothing is kept here.

    `forward` computes two rows at least.

    Raises:
        NotSupported: a part of the model passes no gradient on.
    """
    _require_real_weights(model)
    weights = {
        tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())
    }
    kept = 0

    def note(tensor: torch.Tensor) -> None:
        nonlocal kept
        if tensor.untyped_storage().data_ptr() not in weights:
            kept += tensor.nbytes

    with (
        differentiating(),
        _watching(model) as broken,
        torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept),
    ):
        scores = forward()
    if broken:
        raise explain_missing_gradient(f"its {broken[0]} passes none on")
    if not scores.requires_grad:
        raise explain_missing_gradient("its scores have none")
    _require_known_operators(scores)
    return kept


def _require_real_weights(model: nn.Module) -> None:
    """Refuse layers that round: a gradient may come out of them, but not the right one."""
    for module in model.modules():
        held = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if any(tensor.dtype in _ROUNDED for tensor in held):
            raise explain_missing_gradient(
                f"the weights of its {type(module).__name__} are rounded"
            )


def _require_known_operators(scores: torch.Tensor) -> None:
    """Refuse operators without a gradient, which torch would leave out with a warning."""
    seen: set[Any] = set()
    ahead: list[Any] = [scores.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "NotImplemented" in node.name():
            raise explain_missing_gradient("an operator in it has none")
        ahead += [before for before, _ in node.next_functions]


@contextmanager
def _watching(model: nn.Module) -> Iterator[list[str]]:
    """Collect the kinds of modules that pass no gradient on.

    Without them the gradient would still come, by the connections around them, and be wrong:
    quantised layers are of that kind.
    """
    broken: list[str] = []

    def look(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        taken = [one for one in given if torch.is_tensor(one) and one.requires_grad]
        if not taken or not torch.is_tensor(made) or made.requires_grad:
            return
        # What is the same for every row depends on places only: tables of positions.
        if made.is_floating_point() and made.shape[:1] == taken[0].shape[:1]:
            broken.append(type(module).__name__)

    with ExitStack() as stack:
        for module in model.modules():
            stack.callback(module.register_forward_hook(look).remove)
        yield broken
