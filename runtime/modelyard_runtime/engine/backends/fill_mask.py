"""Ranks what may stand in place of the mask."""

from collections.abc import Sequence
from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.fill_mask import MAX_CANDIDATES, Candidate, Filled, Gap


class MaskFiller:
    """Scores the vocabulary at each mask."""

    def __init__(self, loaded: Loaded) -> None:
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        if loaded.tokenizer.mask_token is None:
            raise CannotStart(
                Reason.MODEL_UNSUPPORTED,
                "The model's tokenizer has no mask token, which marks what fill-mask is to fill in",
                hint="Set mask_token in tokenizer_config.json, or choose another spec.model.task.",
            )
        self._mask_token: str = loaded.tokenizer.mask_token
        self._mask_id: int = loaded.tokenizer.mask_token_id
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> Gap:
        """Return a text that is only a mask."""
        return Gap(self._mask_token)

    def prepare(self, item: Gap) -> list[TokenRow]:
        """Return the text's tokens.

        Raises:
            InvalidRequest: it has no mask.
        """
        row = self._texts.encode(item.text, param="text")
        if self._mask_id not in row.tokens:
            raise InvalidRequest(
                f"the text has no {self._mask_token}, which marks what this model is to fill in",
                param="text",
            )
        return [row]

    @torch.inference_mode()
    def compute(self, rows: Sequence[TokenRow]) -> list[Any]:
        """Return, per row, the chances and ids of the best tokens of each of its masks."""
        output, _ = self._padded.forward(rows)
        found = []
        for number, row in enumerate(rows):
            places = [i for i, token in enumerate(row.tokens) if token == self._mask_id]
            chances = torch.softmax(output.logits[number, places].float(), dim=-1)
            best = torch.topk(chances, min(MAX_CANDIDATES, chances.shape[-1]), dim=-1)
            found.append((best.values.tolist(), best.indices.tolist()))
        return found

    def finish(self, item: Gap, rows: Sequence[TokenRow], outputs: Sequence[Any]) -> Filled:
        """Return the best tokens of each mask, with the whole text where there is just one."""
        row = rows[0]
        chances, tokens = outputs[0]
        place = list(row.tokens).index(self._mask_id) if len(tokens) == 1 else None
        gaps = tuple(
            tuple(
                self._candidate(row, place, chance, token)
                for chance, token in zip(best, ids[: item.top_k], strict=False)
            )
            for best, ids in zip(chances, tokens, strict=True)
        )
        return Filled(gaps, tokens=row.length)

    def _candidate(self, row: TokenRow, place: int | None, chance: float, token: int) -> Candidate:
        tokenizer = self._texts.tokenizer
        word = tokenizer.decode([token]).strip()
        if place is None:
            return Candidate(word, chance)
        filled = [*row.tokens[:place], token, *row.tokens[place + 1 :]]
        return Candidate(word, chance, tokenizer.decode(filled, skip_special_tokens=True))
