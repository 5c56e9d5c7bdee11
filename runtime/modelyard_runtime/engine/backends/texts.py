"""Texts as rows of token ids, and rows as the rectangular tensors that encoders take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from modelyard_runtime.engine.backends.prompts import require_known_tokens
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.loading.loaded import Loaded

# Models of these types count positions from the padding token's id on, so the last ones of
# max_position_embeddings are never reached.
_OFFSET_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "longformer"})
# Tokenizers without a limit say 10^30.
_NO_LIMIT = 1 << 30
# Where nobody names a limit: the time grows with the square of the length.
_UNLIMITED_TOKENS = 2048


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
        self._vocabulary_size = loaded.model.config.vocab_size

    def encode(self, content: str | tuple[int, ...], *, param: str = "input") -> TokenRow:
        """Return a text's row; `param` is the field that a fault names.

        Raises:
            InvalidRequest: the text is empty or longer than the model takes.
        """
        if isinstance(content, str):
            tokens: Sequence[int] = self.tokenizer(content)["input_ids"]
        else:
            require_known_tokens(content, self._vocabulary_size)
            tokens = list(content)
        if not content or not tokens:
            raise InvalidRequest("the text is empty", param=param)
        self.require_length(len(tokens), "the text", param)
        return TokenRow(tokens)

    def encode_pair(self, first: str, second: str, *, param: str) -> TokenRow:
        """Return the row of two texts that the model reads together.

        Raises:
            InvalidRequest: together they are longer than the model takes.
        """
        encoded = self.tokenizer(first, second)
        self.require_length(len(encoded["input_ids"]), "the pair of texts", param)
        return TokenRow(encoded["input_ids"], encoded.get("token_type_ids"))

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
    """The model, called with rows of different lengths."""

    def __init__(self, loaded: Loaded) -> None:
        self.model: Any = loaded.model
        self.device: torch.device = loaded.model.device
        pad = loaded.tokenizer.pad_token_id
        self._pad = 0 if pad is None else int(pad)
        # Decoders with a classification head look for the padding to find each text's end.
        if getattr(self.model.config, "pad_token_id", None) is None:
            self.model.config.pad_token_id = self._pad

    def forward(self, rows: Sequence[TokenRow]) -> tuple[Any, torch.Tensor]:
        """Return the model's output and the mask of real tokens, shape (rows, longest)."""
        inputs = self.pad(rows)
        return self.model(**inputs), inputs["attention_mask"]

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

    def _tensor(self, rows: Sequence[Sequence[int]], width: int, fill: int) -> torch.Tensor:
        filled = [[*row, *[fill] * (width - len(row))] for row in rows]
        return torch.tensor(filled, device=self.device)


def find_input_tokens(loaded: Loaded) -> int:
    """Return the longest input: the least of what model, tokenizer and training say."""
    config: Any = loaded.model.config
    positions = int(getattr(config, "max_position_embeddings", _NO_LIMIT))
    if config.model_type in _OFFSET_POSITIONS:
        positions -= int(config.pad_token_id or 0) + 1
    trained = loaded.wanted.folder.documents.get("sentence_bert_config.json", {})
    # T5 counts no positions, but says what it was trained with.
    limits = [positions, getattr(config, "n_positions", None), loaded.tokenizer.model_max_length]
    if isinstance(trained, dict):
        limits.append(trained.get("max_seq_length"))
    return min(
        (int(limit) for limit in limits if limit and limit < _NO_LIMIT),
        default=_UNLIMITED_TOKENS,
    )
