"""Runs a transformers causal language model for the generation engine."""

import inspect
import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from modelyard_api.meta import Reason
from modelyard_runtime.domain import Sampling, TokenChance
from modelyard_runtime.engine.backends import sampling
from modelyard_runtime.engine.backends.ranking import rank_tokens
from modelyard_runtime.engine.backends.slot_cache import SlotCache, build_target
from modelyard_runtime.engine.backends.token_texts import TokenTexts
from modelyard_runtime.engine.scheduler import Feed
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.loading.lora import load_adapters

# Tokens of the prompt that the decoder sees, so that it knows whether a space is due.
_CONTEXT_FOR_DECODING = 6
_PROBE_TOKENS = 12
_TOLERANCE = 0.02


class CausalLM:
    """The model, its cache and its tokenizer, behind the generation core's Backend."""

    def __init__(self, loaded: Loaded) -> None:
        self._model = loaded.model
        self._device = loaded.model.device
        self._tokenizer = _require_fast_tokenizer(loaded)
        self._texts = TokenTexts(self._tokenizer)
        self.end_tokens = find_end_tokens(loaded)
        self.context_tokens = find_context_tokens(loaded.model)
        _require_plain_attention(loaded.model, self.context_tokens)
        parameters = inspect.signature(loaded.model.forward).parameters
        self._keeps_logits = "logits_to_keep" in parameters
        layers = loaded.model.config.get_text_config(decoder=True).num_hidden_layers
        self._cache = SlotCache(layers)
        # Last of all: layers are wrapped as they are by now.
        self._adapters = load_adapters(loaded)
        # Quantised layers round what hardly differs to what does: the original was compared.
        self._require_same_scores(_TOLERANCE if loaded.optimization is None else math.inf)
        self._require_adapters_apart()

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that rows may have."""
        return self._adapters.names if self._adapters is not None else ()

    @property
    def cache_bytes_per_token(self) -> int:
        """Memory that one token takes in the cache."""
        return self._bytes_per_token

    @torch.inference_mode()
    def reserve(self, rows: int, columns: int) -> None:
        """Make the cache at least that large."""
        self._cache.reserve(rows, columns)

    def release(self) -> None:
        """Drop the cache."""
        self._cache.release()

    @torch.inference_mode()
    def copy_row(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a cache row to another."""
        self._cache.copy_row(source, target, tokens)

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def forward(self, feeds: Sequence[Feed[Any]]) -> torch.Tensor:
        """Compute the feeds; returns scores of the next token, one row per feed."""
        slots = [feed.slot for feed in feeds]
        starts = [feed.row.cached for feed in feeds]
        fed = [feed.row.tokens[feed.row.cached :][: feed.count] for feed in feeds]
        return self._compute(slots, starts, fed, [feed.row.owner.adapter for feed in feeds])

    def build_sampler(self, wanted: Sampling, index: int) -> sampling.Sampler:
        """Return the state of one sequence's draws."""
        return sampling.build_sampler(wanted, index)

    def draw(
        self, scores: torch.Tensor, picks: Sequence[tuple[int, sampling.Sampler]]
    ) -> list[int]:
        """Draw a token for each (row of scores, sampler)."""
        with torch.inference_mode():
            return sampling.draw(scores, picks)

    def rank(
        self, scores: torch.Tensor, wanted: Sequence[tuple[int, int, int]]
    ) -> list[tuple[TokenChance, tuple[TokenChance, ...]]]:
        """Return the chances of each (row of scores, token, number of likeliest tokens)."""
        with torch.inference_mode():
            ranked = rank_tokens(scores, wanted)
        return [
            (
                self._texts.describe(token, ranks.logprob),
                tuple(self._texts.describe(*likely) for likely in ranks.likeliest),
            )
            for (_, token, _), ranks in zip(wanted, ranked, strict=True)
        ]

    def build_decoder(self, prompt: Sequence[int]) -> "TokenDecoder":
        """Return the decoder of a sequence that continues prompt."""
        return TokenDecoder(self._tokenizer, prompt)

    @torch.inference_mode()
    def _compute(
        self,
        slots: Sequence[int],
        starts: Sequence[int],
        fed: Sequence[Sequence[int]],
        adapters: Sequence[str] = (),
    ) -> torch.Tensor:
        counts = [len(tokens) for tokens in fed]
        width = max(counts)
        target = build_target(slots, starts, counts, self._device)
        self._cache.aim(target)
        padded = [[*tokens, *(0 for _ in range(width - len(tokens)))] for tokens in fed]
        ids = torch.tensor(padded, device=self._device)
        steps = torch.arange(width, device=self._device)
        positions = torch.tensor(starts, device=self._device).unsqueeze(1) + steps
        # Padding stands where its row ends: beyond the context there may be no position, and some
        # models turn all rows by the furthest one of any.
        ends = torch.tensor([start + count for start, count in zip(starts, counts, strict=True)])
        positions = positions.minimum(ends.to(self._device).unsqueeze(1) - 1)
        columns = torch.arange(target.columns, device=self._device)
        visible = columns <= positions.unsqueeze(-1)
        floor = torch.finfo(self._model.dtype).min
        mask = torch.zeros(visible.shape, dtype=self._model.dtype, device=self._device)
        mask = mask.masked_fill_(~visible, floor).unsqueeze(1)
        lasts = sorted({count - 1 for count in counts})
        extra = {}
        if self._keeps_logits:
            extra["logits_to_keep"] = torch.tensor(lasts, device=self._device)
        with self._adapters.routed(adapters) if self._adapters else nullcontext():
            scores: torch.Tensor = self._model(
                input_ids=ids,
                position_ids=positions,
                attention_mask=mask,
                past_key_values=self._cache,
                use_cache=True,
                **extra,
            ).logits
        kept = lasts if self._keeps_logits else list(range(width))
        places = torch.tensor([kept.index(count - 1) for count in counts], device=self._device)
        rows = torch.arange(len(counts), device=self._device)
        return scores[rows, places].float()

    def _require_same_scores(self, tolerance: float) -> None:
        """Compare the model on our cache with the model alone, on a few tokens.

        The way we lay out cache, mask and positions is right for plain attention only. Models
        that differ have many ways to say so, and some say nothing; their scores do.
        """
        vocabulary = self._model.config.get_text_config(decoder=True).vocab_size
        tokens = [(7 * step + 3) % vocabulary for step in range(_PROBE_TOKENS)]
        half = _PROBE_TOKENS // 2
        self._cache.reserve(2, _PROBE_TOKENS)
        # Two rows of different length in one pass, then one of them alone: padding, gaps, offsets.
        self._compute([0, 1], [0, 0], [tokens[:half], tokens[: half - 2]])
        self._compute([1], [half - 2], [tokens[half - 2 : half]])
        ours = self._compute([0, 1], [half, half], [tokens[half:], tokens[half:-1]])
        self._bytes_per_token = self._cache.bytes_per_token
        self._cache.release()
        with torch.inference_mode():
            ids = torch.tensor([tokens], device=self._device)
            alone = self._model(input_ids=ids, use_cache=False).logits[0, -2:].float().flip(0)
        scale = alone.std().clamp_min(1e-6)
        if bool(alone.isnan().any()):
            raise CannotStart(
                Reason.MODEL_FILE_CORRUPT,
                f"The model's scores in {self._model.dtype} are not numbers (NaN)",
                hint="Set spec.runtime.dtype to float32; if it is, the weights are damaged.",
            )
        if bool(((ours - alone).abs().amax() / scale) > tolerance):
            raise _unsupported(self._model, "does not compute the same with a cache of our layout")

    def _require_adapters_apart(self) -> None:
        """Compute rows with and without each adapter in one pass, and the others alone.

        Layers that are not called, or that see rows and tokens in another order than ours, would
        give the adapter to nobody, or to the wrong rows, and say nothing.
        """
        if self._adapters is None:
            return
        vocabulary = self._model.config.get_text_config(decoder=True).vocab_size
        tokens = [(7 * step + 3) % vocabulary for step in range(_PROBE_TOKENS)]
        fed, slots, starts = [tokens, tokens[1:], tokens[2:]], [0, 1, 2], [0, 0, 0]
        self._cache.reserve(3, _PROBE_TOKENS)
        plain = self._compute(slots, starts, fed)
        for name in self._adapters.names:
            with self._adapters.requiring_use(name):
                mixed = self._compute(slots, starts, fed, [name, "", name])
            if not torch.equal(mixed[1], plain[1]) or not bool(mixed.isfinite().all()):
                raise _unsupported(self._model, f"does not keep the adapter {name!r} to its rows")
        self._cache.release()


class TokenDecoder:
    """Turns tokens into text as they come, holding back what is half a character."""

    def __init__(self, tokenizer: Any, prompt: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(
            ids=list(prompt[-_CONTEXT_FOR_DECODING:]), skip_special_tokens=True
        )

    def feed(self, token: int) -> str:
        """Return the text that this token completes."""
        return self._stream.step(self._tokenizer, token) or ""


def find_context_tokens(model: PreTrainedModel) -> int:
    """Return the longest sequence that the model was made for."""
    config = model.config.get_text_config(decoder=True)
    for name in ("max_position_embeddings", "n_positions", "n_ctx"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return min(value, _find_trained_tokens(config) or value)
    raise _unsupported(model, "does not say how long its context is")


def _find_trained_tokens(config: Any) -> int | None:
    """Return the length beyond which a model of the kind longrope turns its positions otherwise.

    It does so for all rows of a pass as soon as one is longer, those in the cache included.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        return None
    stated = rope.get("original_max_position_embeddings")
    found: int | None = stated or getattr(config, "original_max_position_embeddings", None)
    return found


def find_end_tokens(loaded: Loaded) -> frozenset[int]:
    """Return the tokens that end a text."""
    stated: Any = getattr(loaded.model.generation_config, "eos_token_id", None)
    candidates = [*(stated if isinstance(stated, list) else [stated])]
    candidates.append(loaded.tokenizer.eos_token_id)
    return frozenset(token for token in candidates if isinstance(token, int))


def _require_plain_attention(model: PreTrainedModel, context_tokens: int) -> None:
    """Refuse models whose layers need another cache than keys and values of every token."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        raise _unsupported(model, "takes no position_ids, which rows of different length need")
    if not hasattr(model.config.get_text_config(decoder=True), "num_hidden_layers"):
        raise _unsupported(model, "does not say how many layers it has")
    window = int(getattr(model.config, "window_size", None) or context_tokens)
    if "local" in getattr(model.config, "attention_layers", ()) and window < context_tokens:
        raise _unsupported(
            model, f"attends to {window} tokens in a context of {context_tokens} in some layers"
        )
    for layer in DynamicCache(config=model.config).layers:
        if isinstance(layer, DynamicSlidingWindowLayer):
            if layer.sliding_window < context_tokens:
                raise _unsupported(
                    model,
                    f"attends to a sliding window of {layer.sliding_window} tokens in a context "
                    f"of {context_tokens}",
                )
        elif type(layer) is not DynamicLayer:
            raise _unsupported(model, f"keeps its state as {type(layer).__name__}")


def _require_fast_tokenizer(loaded: Loaded) -> Any:
    tokenizer = getattr(loaded.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The tokenizer is a {type(loaded.tokenizer).__name__} without a fast version",
            hint="Add a tokenizer.json: load the tokenizer with AutoTokenizer and save it with "
            "save_pretrained.",
        )
    return tokenizer


def _unsupported(model: PreTrainedModel, problem: str) -> CannotStart:
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"{type(model).__name__} {problem}; this runtime generates with models of plain full "
        "attention",
        hint="Use a model of the Llama, Qwen, Mistral, Phi or GPT-2 kind, for example.",
    )
