"""Runs encoders and classifiers for the batch engine."""

from collections.abc import Sequence
from typing import Any

import torch

from modelyard_runtime.domain import BatchResult, Classification, Embedding, TextInput
from modelyard_runtime.engine.backends.pooling import Pooling, pool
from modelyard_runtime.engine.backends.prompts import require_known_tokens
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.loading.loaded import Loaded

# Models of these types count positions from the padding token's id on, so the last ones of
# max_position_embeddings are never reached.
_OFFSET_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "longformer"})
# Tokenizers without a limit say 10^30.
_NO_LIMIT = 1 << 30


class _Padded:
    """The model, and how its inputs are made rectangular."""

    def __init__(self, loaded: Loaded) -> None:
        self._model = loaded.model
        self._device = loaded.model.device
        pad = loaded.tokenizer.pad_token_id
        self._pad = 0 if pad is None else int(pad)
        # Decoders with a classification head look for the padding to find each text's end.
        if getattr(self._model.config, "pad_token_id", None) is None:
            self._model.config.pad_token_id = self._pad

    def forward(self, inputs: Sequence[Sequence[int]]) -> tuple[Any, torch.Tensor]:
        """Return the model's output and the mask of real tokens."""
        width = max(len(tokens) for tokens in inputs)
        ids = [[*tokens, *[self._pad] * (width - len(tokens))] for tokens in inputs]
        real = [[1] * len(tokens) + [0] * (width - len(tokens)) for tokens in inputs]
        mask = torch.tensor(real, device=self._device)
        output = self._model(input_ids=torch.tensor(ids, device=self._device), attention_mask=mask)
        return output, mask

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class Embedder:
    """Texts to vectors."""

    def __init__(self, loaded: Loaded, pooling: Pooling) -> None:
        self._padded = _Padded(loaded)
        self._pooling = pooling
        self.require_health = self._padded.require_health

    @torch.inference_mode()
    def compute(self, inputs: Sequence[Sequence[int]]) -> list[BatchResult]:
        """Return one Embedding per input."""
        output, mask = self._padded.forward(inputs)
        vectors = pool(output.last_hidden_state, mask, self._pooling).cpu().numpy()
        return [
            # A copy, or a kept vector would hold the whole batch in memory.
            Embedding(vector=vector.copy(), tokens=len(tokens))
            for vector, tokens in zip(vectors, inputs, strict=True)
        ]


class Classifier:
    """Texts to scores of labels."""

    def __init__(self, loaded: Loaded) -> None:
        self._padded = _Padded(loaded)
        config: Any = loaded.model.config
        self._labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        # One label is yes or no; several are alternatives unless the model says otherwise.
        independent = config.problem_type == "multi_label_classification"
        self._independent = independent or len(self._labels) == 1
        self._raw = config.problem_type == "regression"
        self.require_health = self._padded.require_health

    @torch.inference_mode()
    def compute(self, inputs: Sequence[Sequence[int]]) -> list[BatchResult]:
        """Return one Classification per input."""
        output, _ = self._padded.forward(inputs)
        rows = self._score(output.logits.float()).tolist()
        return [
            Classification(scores=self._rank(row), tokens=len(tokens))
            for row, tokens in zip(rows, inputs, strict=True)
        ]

    def _score(self, logits: torch.Tensor) -> torch.Tensor:
        if self._raw:
            return logits
        return torch.sigmoid(logits) if self._independent else torch.softmax(logits, dim=-1)

    def _rank(self, row: Sequence[float]) -> dict[str, float]:
        pairs = zip(self._labels, row, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))


class TokenizedTexts:
    """Encodes inputs with the model's tokenizer."""

    def __init__(self, tokenizer: Any, vocabulary_size: int, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._vocabulary_size = vocabulary_size
        self._max_tokens = max_tokens

    def encode(self, inputs: Sequence[TextInput]) -> list[list[int]]:
        """Return the tokens of each input.

        Raises:
            InvalidRequest: an input is empty or longer than the context.
        """
        encoded = [self._encode_one(item.content) for item in inputs]
        for number, (item, tokens) in enumerate(zip(inputs, encoded, strict=True)):
            self._require_length(number, item, tokens)
        return encoded

    def _encode_one(self, content: str | tuple[int, ...]) -> list[int]:
        if isinstance(content, str):
            tokens: list[int] = self._tokenizer(content)["input_ids"]
            return tokens
        require_known_tokens(content, self._vocabulary_size)
        return list(content)

    def _require_length(self, number: int, item: TextInput, tokens: Sequence[int]) -> None:
        if not item.content or not tokens:
            raise InvalidRequest(f"input {number} is empty", param="input")
        if len(tokens) > self._max_tokens:
            raise InvalidRequest(
                f"input {number} has {len(tokens)} tokens; this model takes at most "
                f"{self._max_tokens}",
                param="input",
                code="context_length_exceeded",
            )


def find_input_tokens(loaded: Loaded) -> int:
    """Return the longest input: the least of what model, tokenizer and training say."""
    config: Any = loaded.model.config
    positions = int(getattr(config, "max_position_embeddings", _NO_LIMIT))
    if config.model_type in _OFFSET_POSITIONS:
        positions -= int(config.pad_token_id or 0) + 1
    trained = loaded.wanted.folder.documents.get("sentence_bert_config.json", {})
    limits = [positions, loaded.tokenizer.model_max_length]
    if isinstance(trained, dict):
        limits.append(trained.get("max_seq_length"))
    return min(int(limit) for limit in limits if limit and limit < _NO_LIMIT)
