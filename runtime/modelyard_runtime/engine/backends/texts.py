"""Texts as rows of token ids, and rows as the rectangular tensors that encoders take."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.prompts import require_known_tokens
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.loading.loaded import Loaded

# Models of these types count positions from the padding token's id on, so the last ones of
# max_position_embeddings are never reached.
_OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl", "xmod"}
    | {"roberta-prelayernorm", "data2vec-text", "ibert", "lilt", "luke", "markuplm", "esm"}
)
# Tokenizers without a limit say 10^30, models without one -1.
_NO_LIMIT = 1 << 30
# Where nobody names a limit: the time grows with the square of the length.
_UNLIMITED_TOKENS = 2048
# What models answer, by the names of transformers; the first dimension counts rows.
_ANSWERS = ("logits", "start_logits", "end_logits", "last_hidden_state")
# How far an answer may move, as a share of the largest number, when others stand beside it: by
# rounding alone, which is coarser in the short types and in quantised layers.
_TOLERANCE, _COARSE_TOLERANCE = 1e-3, 0.05
_PROBES = ("Hello Hello", "Hello Hello Hello Hello Hello Hello Hello")


@dataclass(frozen=True, slots=True)
class TokenRow:
    """Token ids; `types` tells the parts of a pair apart, for models that were trained so."""

    tokens: Sequence[int]
    types: Sequence[int] | None = None

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.tokens)


class TextRows:
    """Encodes texts with the model's tokenizer."""

    def __init__(self, loaded: Loaded) -> None:
        self.tokenizer: Any = loaded.tokenizer
        self.max_tokens = find_input_tokens(loaded)
        self._vocabulary_size = find_vocabulary_size(loaded)

    def encode(self, content: str | tuple[int, ...], *, param: str = "input") -> TokenRow:
        """Return a text's row; `param` is the field that a fault names.

        Raises:
            InvalidRequest: the text is empty or longer than the model takes.
        """
        if isinstance(content, str):
            tokens: Sequence[int] = self.tokenizer(content)["input_ids"]
        else:
            tokens = list(content)
        if not content or not tokens:
            raise InvalidRequest("the text is empty", param=param)
        self.require_known(tokens, param)
        self.require_length(len(tokens), "the text", param)
        return TokenRow(tokens)

    def encode_pair(self, first: str, second: str, *, param: str) -> TokenRow:
        """Return the row of two texts that the model reads together.

        Raises:
            InvalidRequest: together they are longer than the model takes.
        """
        encoded = self.tokenizer(first, second)
        self.require_known(encoded["input_ids"], param)
        self.require_length(len(encoded["input_ids"]), "the pair of texts", param)
        return TokenRow(encoded["input_ids"], encoded.get("token_type_ids"))

    def require_known(self, tokens: Sequence[int], param: str) -> None:
        """Refuse tokens that the model does not have; some tokenizers have more than it.

        Raises:
            InvalidRequest: naming the first one.
        """
        require_known_tokens(tokens, self._vocabulary_size, param=param)

    def require_length(self, tokens: int, what: str, param: str) -> None:
        """Refuse what is longer than the model takes.

        Raises:
            InvalidRequest: code context_length_exceeded.
        """
        if tokens > self.max_tokens:
            raise InvalidRequest(
                f"{what} has {tokens} tokens; this model takes at most {self.max_tokens}",
                param=param,
                code="context_length_exceeded",
            )


class PaddedModel:
    """The model, called with rows of different lengths.

    Most models do not see what a row is padded with. Rows of those that do (by a convolution, or by
    mixing all places) are computed with rows of their own length only, or the answer would depend
    on what other clients sent.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.model: Any = loaded.model
        self.device: torch.device = loaded.model.device
        self._tokenizer: Any = loaded.tokenizer
        is_exact = loaded.dtype is torch.float32 and loaded.optimization is None
        self._tolerance = _TOLERANCE if is_exact else _COARSE_TOLERANCE
        config = self.model.config
        stated = (getattr(config, "pad_token_id", None), loaded.tokenizer.pad_token_id)
        known = range(find_vocabulary_size(loaded))
        # The model's own first: decoders with a classification head look for it to find each
        # text's end.
        pads = [pad for pad in stated if isinstance(pad, int) and pad in known]
        self._pad = next(iter(pads), 0)
        # Without padding nothing is padded; else it is tried at the first call.
        self._is_padding_seen = None if pads else True
        # Without any, each token is a text's own, and none of them may be taken for its end.
        config.pad_token_id = self._pad if pads else -1

    def forward(self, rows: Sequence[TokenRow]) -> tuple[Any, torch.Tensor]:
        """Return the model's output and the mask of real tokens, shape (rows, longest)."""
        groups = self.group(rows)
        if len(groups) > 1:
            return self._forward_apart(rows, groups)
        inputs = self.pad(rows)
        return self.model(**inputs), inputs["attention_mask"]

    def group(self, rows: Sequence[TokenRow]) -> list[list[int]]:
        """Return the places of rows that may be computed together."""
        if self._is_padding_seen is None:
            self._is_padding_seen = self._sees_padding(has_types=rows[0].types is not None)
        groups: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(row.length if self._is_padding_seen else 0, []).append(place)
        return list(groups.values())

    def pad(self, rows: Sequence[TokenRow]) -> dict[str, torch.Tensor]:
        """Return the model's inputs, each of shape (rows, longest)."""
        width = max(row.length for row in rows)
        inputs = {
            "input_ids": self._tensor([row.tokens for row in rows], width, self._pad),
            "attention_mask": self._tensor([[1] * row.length for row in rows], width, 0),
        }
        if any(row.types is not None for row in rows):
            types = [row.types if row.types is not None else [0] * row.length for row in rows]
            inputs["token_type_ids"] = self._tensor(types, width, 0)
        return inputs

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _sees_padding(self, *, has_types: bool) -> bool:
        """Say whether a text's answer is another one beside a longer text."""
        probes = [self._tokenizer(text)["input_ids"] for text in _PROBES]
        short, long = (
            TokenRow(tokens, [0] * len(tokens) if has_types else None) for tokens in probes
        )
        try:
            alone = self.model(**self.pad([short]))
            together = self.model(**self.pad([short, long]))
        except Exception:  # noqa: BLE001 - it wants texts of a form of its own
            return True
        return not all(
            _is_near(getattr(together, name)[:1], getattr(alone, name), self._tolerance)
            for name in _list_answers(alone)
        )

    def _forward_apart(
        self, rows: Sequence[TokenRow], groups: Sequence[Sequence[int]]
    ) -> tuple[Any, torch.Tensor]:
        parts = [
            (places, self.model(**self.pad([rows[place] for place in places]))) for places in groups
        ]
        merged = {
            name: _merge([(places, getattr(output, name)) for places, output in parts])
            for name in _list_answers(parts[0][1])
        }
        return SimpleNamespace(**merged), self.pad(rows)["attention_mask"]

    def _tensor(self, rows: Sequence[Sequence[int]], width: int, fill: int) -> torch.Tensor:
        filled = [[*row, *[fill] * (width - len(row))] for row in rows]
        return torch.tensor(filled, device=self.device)


def _list_answers(output: Any) -> list[str]:
    return [name for name in _ANSWERS if isinstance(getattr(output, name, None), torch.Tensor)]


def _is_near(padded: torch.Tensor, plain: torch.Tensor, tolerance: float) -> bool:
    """Say whether a row has its own answer, wherever its places are; shapes (1, …)."""
    plain = plain.float()
    kept = padded[:, : plain.shape[1]].float()
    return bool((kept - plain).abs().amax() <= tolerance * plain.abs().amax())


def _merge(parts: Sequence[tuple[Sequence[int], torch.Tensor]]) -> torch.Tensor:
    """Return the answers of groups of rows as one tensor, zero beyond each row's length."""
    tensors = [tensor for _, tensor in parts]
    rows = sum(tensor.shape[0] for tensor in tensors)
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    merged = tensors[0].new_zeros(rows, *shape)
    for places, tensor in parts:
        for place, row in zip(places, tensor, strict=True):
            target = merged[place]
            for dimension, size in enumerate(row.shape):
                target = target.narrow(dimension, 0, size)
            target.copy_(row)
    return merged


def find_vocabulary_size(loaded: Loaded) -> int:
    """Return how many tokens the model knows.

    Raises:
        CannotStart: ModelUnsupported, it does not say so.
    """
    size = getattr(loaded.model.config.get_text_config(), "vocab_size", None)
    if isinstance(size, int):
        return size
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"{loaded.wanted.detected.architecture} has no vocabulary of tokens (vocab_size in "
        "config.json), by which this runtime reads texts",
        hint="Choose a model that reads tokens, of the BERT or RoBERTa kind, for example.",
    )


def find_input_tokens(loaded: Loaded) -> int:
    """Return the longest input: the least of what model, tokenizer and training say."""
    config: Any = loaded.model.config
    positions = int(getattr(config, "max_position_embeddings", None) or _NO_LIMIT)
    if config.model_type in _OFFSET_POSITIONS:
        positions -= int(config.pad_token_id or 0) + 1
    trained = loaded.wanted.folder.documents.get("sentence_bert_config.json", {})
    # T5 counts no positions, but says what it was trained with.
    limits = [positions, getattr(config, "n_positions", None), loaded.tokenizer.model_max_length]
    if isinstance(trained, dict):
        limits.append(trained.get("max_seq_length"))
    return min(
        (int(limit) for limit in limits if limit and 0 < limit < _NO_LIMIT),
        default=_UNLIMITED_TOKENS,
    )
