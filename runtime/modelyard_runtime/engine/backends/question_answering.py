"""Finds the words of a text that answer a question.

Windows, chances and the choice of the span are those of the pipeline that transformers had until
its version 4 (pipelines/question_answering.py: `select_starts_ends`, `decode_spans`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from modelyard_runtime.engine.backends.offsets import require_offsets
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows
from modelyard_runtime.engine.backends.windows import Window, Windows
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.question_answering import Question, Span

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Best:
    """The best span of a window: its first and last token, and its chance."""

    first: int
    last: int
    score: float


class Answerer:
    """Looks for the answer in every window of the context."""

    def __init__(self, loaded: Loaded) -> None:
        require_offsets(loaded)
        texts = TextRows(loaded)
        self._windows = Windows(texts)
        self._padded = PaddedModel(loaded)
        self.context_tokens = texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> Question:
        """Return a short question."""
        return Question("Who?", "It is me.")

    def prepare(self, item: Question) -> list[Window]:
        """Return the windows of the context.

        Raises:
            InvalidRequest: one of the texts is empty or too long.
        """
        return self._windows.cut(item.question, item.context)

    @torch.inference_mode()
    def compute(self, rows: Sequence[Window]) -> list[tuple[Logits, Logits]]:
        """Return, per window, the scores of each token as the first and the last of the answer."""
        output, _ = self._padded.forward([window.row for window in rows])
        starts = output.start_logits.float().cpu().numpy()
        ends = output.end_logits.float().cpu().numpy()
        # Copies, or one kept row would hold the whole batch in memory.
        return [
            (starts[i, : window.length].copy(), ends[i, : window.length].copy())
            for i, window in enumerate(rows)
        ]

    def finish(
        self, item: Question, rows: Sequence[Window], outputs: Sequence[tuple[Logits, Logits]]
    ) -> Span:
        """Return the best span of all windows."""
        found = [
            (window, find_span(window, *logits, limit=item.max_answer_tokens))
            for window, logits in zip(rows, outputs, strict=True)
            if window.is_context.any()
        ]
        window, best = max(found, key=lambda pair: pair[1].score)
        start, end = window.starts[best.first], window.ends[best.last]
        tokens = sum(row.length for row in rows)
        return Span(item.context[start:end], best.score, start, end, tokens=tokens)


def find_span(window: Window, starts: Logits, ends: Logits, *, limit: int) -> Best:
    """Return the span within the context, of at most `limit` tokens, with the greatest chance.

    A span's chance is that of its first token times that of its last. Both chances are over the
    tokens of the context and the one that stands for "no answer", so that a window without an
    answer does not win over one that has it.
    """
    chances = [_softmax(logits, window.is_context | window.is_rest) for logits in (starts, ends)]
    firsts, lasts = (np.where(window.is_context, chance, 0.0) for chance in chances)
    # Row d: the chances of the spans whose last token is d after the first.
    width = len(firsts)
    reach = min(limit, width)
    products = np.full((reach, width), -1.0)
    for distance in range(reach):
        products[distance, : width - distance] = firsts[: width - distance] * lasts[distance:]
        inside = window.is_context[: width - distance] & window.is_context[distance:]
        products[distance, : width - distance][~inside] = -1.0
    distance, first = divmod(int(products.argmax()), width)
    return Best(first, first + distance, float(products[distance, first]))


def _softmax(logits: Logits, taking_part: NDArray[np.bool_]) -> NDArray[np.float64]:
    scores = np.where(taking_part, logits.astype(np.float64), -np.inf)
    chances = np.exp(scores - scores.max())
    return np.asarray(chances / chances.sum())
