"""Texts to scores of labels."""

from collections.abc import Sequence
from typing import Any

import torch

from modelyard_runtime.domain import Classification, TextInput
from modelyard_runtime.engine.backends.scoring import Scores
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.loading.loaded import Loaded


class TextClassifier:
    """Scores every label of the model."""

    def __init__(self, loaded: Loaded) -> None:
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        self._scores = Scores(loaded.model.config)
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> TextInput:
        """Return a short text."""
        return TextInput("Hello")

    def prepare(self, item: TextInput) -> list[TokenRow]:
        """Return the text's tokens."""
        return [self._texts.encode(item.content)]

    @torch.inference_mode()
    def compute(self, rows: Sequence[TokenRow]) -> list[Any]:
        """Return the scores of the labels per row."""
        output, _ = self._padded.forward(rows)
        return self._scores.compute(output.logits)

    def finish(
        self, _item: TextInput, rows: Sequence[TokenRow], outputs: Sequence[Any]
    ) -> Classification:
        """Return the labels, the best first."""
        return Classification(self._scores.rank(outputs[0]), tokens=rows[0].length)
