"""Reads adapter_config.json of peft: how strong a LoRA adapter is, and whether it is plain. Pure.

What changes the arithmetic and is not known here is refused, so that an adapter of a newer peft is
never served as something that it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from re import ASCII, fullmatch
from typing import Any

#: The files of an adapter, as peft names them, and its weights as older ones wrote them.
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PICKLED_WEIGHTS = "adapter_model.bin"
#: What is said of training, of files, or of layers that the weights name themselves.
_WITHOUT_EFFECT = frozenset(
    {
        *("auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "peft_version"),
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
        *("lora_dropout", "fan_in_fan_out", "qalora_group_size", "megatron_core", "loftq_config"),
        *("eva_config", "ensure_weight_tying"),
    }
)
_READ = frozenset({"r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern"})
#: What a field must say for the adapter to be plain; all others must say nothing.
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM", None),
    "bias": ("none", None),
    # Others change the base model's weights before training.
    "init_lora_weights": (True, False, None, "gaussian", "eva", "orthogonal"),
}
_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})
#: A module's name, or the end of one; peft would take any regular expression.
_PLAIN_PATTERN = r"\^?[\w.]+"
_SHOWN_CHARACTERS = 80


class NotPlain(Exception):
    """The adapter is of a kind that is not computed here; the text names the key."""


class Damaged(Exception):
    """A field has no value that peft would have written; the text names it."""


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Ranks and strengths, by module where they differ from `rank` and `alpha`.

    `base` is what the adapter was trained on, by its own word.
    """

    rank: int
    alpha: float
    is_rank_stabilised: bool = False
    ranks: Mapping[str, float] | None = None
    alphas: Mapping[str, float] | None = None
    base: str = ""

    def rank_of(self, module: str) -> int:
        """Return the rank of a module's matrices."""
        return int(_find(self.ranks, module, self.rank))

    def scaling_of(self, module: str) -> float:
        """Return what B·A is multiplied by: alpha / r, or alpha / √r if rank-stabilised.

        (Hu et al. 2021, arXiv:2106.09685; Kalajdzievski 2023, arXiv:2312.03732.)
        """
        rank = self.rank_of(module)
        alpha = _find(self.alphas, module, self.alpha)
        return alpha / sqrt(rank) if self.is_rank_stabilised else alpha / rank


def parse_lora_config(document: Any) -> LoraConfig:
    """Read the document.

    Raises:
        NotPlain: it asks for more than plain LoRA.
        Damaged: it cannot be read.
    """
    if not isinstance(document, dict):
        raise Damaged("it is no JSON object")
    _require_plain(document)
    rank = _read_number(document, "r")
    if rank < 1 or rank != int(rank):
        raise Damaged(f"r is {rank}, not a whole number from 1")
    stabilised = document.get("use_rslora", False)
    if not isinstance(stabilised, bool):
        raise Damaged(f"use_rslora is {_show(stabilised)}, not true or false")
    base = document.get("base_model_name_or_path")
    return LoraConfig(
        rank=int(rank),
        alpha=_read_number(document, "lora_alpha"),
        is_rank_stabilised=stabilised,
        ranks=_read_pattern(document, "rank_pattern", least=1),
        alphas=_read_pattern(document, "alpha_pattern"),
        base=base[:_SHOWN_CHARACTERS] if isinstance(base, str) else "",
    )


def _require_plain(document: Mapping[str, Any]) -> None:
    if "peft_type" not in document:
        raise Damaged("it has no peft_type")
    for key, value in document.items():
        if key in _WITHOUT_EFFECT or key in _READ or value in _PLAIN.get(key, _NOTHING):
            continue
        raise NotPlain(f"{key[:_SHOWN_CHARACTERS]} is {_show(value)}")


def _read_number(document: Mapping[str, Any], key: str) -> float:
    value = document.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise Damaged(f"{key} is {_show(value)}, not a number")
    return float(value)


def _read_pattern(
    document: Mapping[str, Any], key: str, *, least: float | None = None
) -> Mapping[str, float]:
    pattern = document.get(key) or {}
    if not isinstance(pattern, dict):
        raise Damaged(f"{key} is {_show(pattern)}, not an object")
    values = {}
    for module in pattern:
        # A dot that is escaped is what a dot in a module's name is anyway.
        name = module.replace("\\.", ".")
        if not fullmatch(_PLAIN_PATTERN, name, ASCII):
            raise NotPlain(f"{key} has the regular expression {_show(module)}")
        values[name] = _read_number(pattern, module)
        if least is not None and values[name] < least:
            raise Damaged(f"{key} gives {_show(module)} {values[name]}, less than {least}")
    return values


def _find(values: Mapping[str, float] | None, module: str, default: float) -> float:
    """Return the value of the first name that is the module's, or the end of it after a dot."""
    for name, value in (values or {}).items():
        if name.startswith("^"):
            if name[1:] == module:
                return value
        elif f".{module}".endswith(f".{name}"):
            return value
    return default


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
