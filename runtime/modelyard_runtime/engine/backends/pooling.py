"""From the vectors of all tokens to one vector per text, as the model was trained.

sentence-transformers writes the way down in modules.json and 1_Pooling/config.json. A plain
encoder says nothing; then it is the mean over the tokens, of unit length, which is what most
sentence encoders were trained with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.folder import ModelFolder


@dataclass(frozen=True, slots=True)
class Pooling:
    """One of MODES, and whether vectors are made unit length."""

    mode: str = "mean"
    normalise: bool = True


def read_pooling(folder: ModelFolder) -> Pooling:
    """Return how the folder's model pools.

    Raises:
        CannotStart: ModelUnsupported, for modules and modes that are not served.
    """
    modules = folder.documents.get("modules.json")
    if not isinstance(modules, list):
        return Pooling()
    mode, normalise = "mean", False
    for module in modules:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind == "Pooling":
            mode = _read_mode(folder.documents.get(f"{module.get('path')}/config.json", {}))
        elif kind == "Normalize":
            normalise = True
        elif kind != "Transformer":
            raise CannotStart(
                Reason.MODEL_UNSUPPORTED,
                f"modules.json has a module of type {kind}, which this runtime does not apply",
                hint="Choose a sentence-transformers model of Transformer, Pooling and Normalize "
                "modules only.",
            )
    return Pooling(mode, normalise)


def _read_mode(config: Mapping[str, Any]) -> str:
    """Read `pooling_mode: mean`, or the older `pooling_mode_mean_tokens: true` and its like."""
    flags = {
        key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for key, value in config.items()
        if key.startswith("pooling_mode_") and value is True
    }
    stated = config.get("pooling_mode")
    modes = {str(stated)} if stated else flags
    if len(modes) == 1 and modes <= MODES.keys():
        return modes.pop()
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The model pools by {' and '.join(sorted(modes)) or 'nothing'}; this runtime pools by "
        f"one of {', '.join(MODES)}",
        hint="Choose a sentence-transformers model with one of these pooling modes.",
    )


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def _first(states: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return states[:, 0]


def _last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    rows = torch.arange(states.shape[0], device=states.device)
    return states[rows, mask.sum(dim=1) - 1]


def _largest(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    hidden = ~mask.bool().unsqueeze(-1)
    return states.masked_fill(hidden, torch.finfo(states.dtype).min).amax(dim=1)


MODES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": _mean,
    "cls": _first,
    "lasttoken": _last,
    "max": _largest,
}


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return one float32 vector per row of right-padded states; mask is 1 for real tokens."""
    vectors = MODES[pooling.mode](states.float(), mask)
    return torch.nn.functional.normalize(vectors, dim=-1) if pooling.normalise else vectors
