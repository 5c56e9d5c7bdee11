"""What each token of a text contributes to a score: integrated gradients over the embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from modelyard_runtime.engine.backends.gradients import (
    Room,
    differentiating,
    explain_missing_gradient,
    measure_kept_bytes,
    take_gradient,
)
from modelyard_runtime.engine.backends.integrated_gradients import (
    PathRow,
    Slope,
    integrate,
    lay_path,
)
from modelyard_runtime.engine.backends.offsets import LocatedRow, locate, require_offsets
from modelyard_runtime.engine.backends.scoring import Scores
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.attribution import ExplainedText, Share, ToExplain

# Of the texts by which the memory is measured.
_MEASURED_TOKENS = 64


@dataclass(frozen=True, slots=True)
class TextEnds:
    """A text, and the one that the way to it begins with."""

    text: LocatedRow
    baseline: TokenRow


class TextGradients:
    """Explains texts.

    The baseline has the mask token (where there is none, the padding token) in the place of every
    token of the text; what the tokenizer adds at the ends stays, and contributes nothing.
    """

    def __init__(self, loaded: Loaded, room: Room) -> None:
        require_offsets(loaded)
        self._room = room
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        self._scores = Scores(loaded.model.config)
        self._embeddings: Any = loaded.model.get_input_embeddings()
        tokenizer: Any = loaded.tokenizer
        candidates = (tokenizer.mask_token_id, tokenizer.pad_token_id)
        found = next((token for token in candidates if token is not None), None)
        if found is None:
            raise explain_missing_gradient("its tokenizer has no token that says nothing")
        self._blank: int = found
        self._per_token, self._per_pair = self._measure_growth()

    def prepare(self, asked: ToExplain) -> list[PathRow]:
        """Return the points of the way to the text.

        Raises:
            InvalidRequest: the text is empty, too long, or takes too much memory; or the model has
                no such label.
        """
        target = self._scores.find(asked.label)
        text = locate(self._texts, asked.item.content, param="text")
        if text.length > self._room.longest:
            raise InvalidRequest(
                f"the text has {text.length} tokens; at most {self._room.longest} can be explained",
                param="text",
                code="context_length_exceeded",
            )
        blank = [
            token if place is None else self._blank
            for token, place in zip(text.row.tokens, text.places, strict=True)
        ]
        # Some models compare every token with every other, and keep what comes of that.
        kept = self._per_token * text.length + self._per_pair * text.length**2
        length = self._room.find_length(text.length, int(kept), param="text")
        ends = TextEnds(text, TokenRow(blank))
        return lay_path(ends, target=target, steps=asked.steps, length=length)

    def compute(self, rows: Sequence[PathRow]) -> list[Slope]:
        """Return the slope of the score, by token, at each point."""
        found: dict[int, Slope] = {}
        with differentiating():
            for places in self._padded.group([row.row.text.row for row in rows]):
                slopes = self._compute([rows[place] for place in places])
                found.update(zip(places, slopes, strict=True))
        return [found[place] for place in range(len(rows))]

    def finish(
        self, asked: ToExplain, rows: Sequence[PathRow], slopes: Sequence[Slope]
    ) -> ExplainedText:
        """Return what each token of the text contributes."""
        attributions, difference = integrate(asked, slopes)
        text: LocatedRow = rows[0].row.text
        shares = [
            Share(*place, attribution=float(attribution))
            for place, attribution in zip(text.places, attributions, strict=True)
            if place is not None
        ]
        blank: str = self._texts.tokenizer.convert_ids_to_tokens(self._blank)
        return ExplainedText(difference, shares, baseline=blank, tokens=text.length)

    def _compute(self, rows: Sequence[PathRow]) -> list[Slope]:
        scores, point, whole_way = self._forward(rows)
        gradient = take_gradient(scores, point)
        shares = (gradient.float() * whole_way).sum(dim=-1).cpu().numpy()
        return [
            # A copy, or one kept row would hold the whole batch in memory.
            Slope(score, shares[i, : row.row.text.length].copy())
            for i, (row, score) in enumerate(zip(rows, scores.tolist(), strict=True))
        ]

    def _forward(self, rows: Sequence[PathRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the scores, the embeddings they are of, and the way from the baseline's to x."""
        inputs = self._padded.pad([row.row.text.row for row in rows])
        baseline = self._padded.pad([row.row.baseline for row in rows])["input_ids"]
        start: torch.Tensor = self._embeddings(baseline).detach().float()
        fractions = torch.tensor([row.fraction for row in rows], device=start.device)
        found: list[tuple[torch.Tensor, torch.Tensor]] = []

        def replace(_module: Any, _given: Any, looked_up: torch.Tensor) -> torch.Tensor:
            if found:
                raise explain_missing_gradient("it looks its tokens up more than once")
            whole_way = looked_up.detach().float() - start
            point = start + fractions[:, None, None] * whole_way
            point = point.to(looked_up.dtype)
            found.append((point.requires_grad_(), whole_way))
            return point

        # Not given to the model as embeddings: from the tokens some models find the text's end,
        # and count its positions.
        with self._embeddings.register_forward_hook(replace):
            logits = self._padded.model(**inputs).logits
        if not found:
            raise explain_missing_gradient("it does not look its tokens up in a table")
        targets = torch.tensor([row.target for row in rows], device=logits.device)
        scores = self._scores.score(logits)
        return scores.gather(1, targets[:, None])[:, 0], *found[0]

    def _measure_growth(self) -> tuple[float, float]:
        """Return the bytes that a text keeps for the way back: per token, and per pair of them."""
        long = min(_MEASURED_TOKENS, self._texts.max_tokens)
        short = max(long // 4, 1)
        by_long, by_short = (self._measure(tokens) / tokens for tokens in (long, short))
        per_pair = max((by_long - by_short) / max(long - short, 1), 0.0)
        return by_long - per_pair * long, per_pair

    def _measure(self, tokens: int) -> float:
        some = np.resize(self._texts.tokenizer("Hello")["input_ids"], tokens).tolist()
        row = TokenRow(some)
        ends = TextEnds(LocatedRow(row, (None,) * tokens), row)
        two = [PathRow(ends, 0.5, target=0, length=tokens)] * 2
        return measure_kept_bytes(self._padded.model, lambda: self._forward(two)[0]) / len(two)
