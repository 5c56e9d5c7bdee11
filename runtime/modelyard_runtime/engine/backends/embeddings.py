"""Texts to vectors."""

from collections.abc import Sequence

import torch

from modelyard_runtime.domain import Embedding, TextInput
from modelyard_runtime.engine.backends.pooling import pool, read_pooling
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.engine.backends.wording import read_wording
from modelyard_runtime.loading.loaded import Loaded


class Embedder:
    """Pools the encoder's states as the model was trained."""

    def __init__(self, loaded: Loaded) -> None:
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        self._pooling = read_pooling(loaded.wanted.folder)
        self._wording = read_wording(loaded.wanted.folder)
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> TextInput:
        """Return a short text."""
        return TextInput("Hello")

    def prepare(self, item: TextInput) -> list[TokenRow]:
        """Return the text's tokens."""
        return [self._texts.encode(self._wording.apply(item.content))]

    @torch.inference_mode()
    def compute(self, rows: Sequence[TokenRow]) -> Sequence[torch.Tensor]:
        """Return a float32 vector per row."""
        output, mask = self._padded.forward(rows)
        return pool(output.last_hidden_state, mask, self._pooling).cpu().unbind()

    def finish(
        self, _item: TextInput, rows: Sequence[TokenRow], outputs: Sequence[torch.Tensor]
    ) -> Embedding:
        """Return the vector."""
        # A copy, or a kept vector would hold the whole batch in memory.
        return Embedding(vector=outputs[0].numpy().copy(), tokens=rows[0].length)
