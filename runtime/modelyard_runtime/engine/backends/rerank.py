"""Scores documents against a query by a cross-encoder, which reads both together."""

from collections.abc import Sequence
from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.scoring import Scores
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.rerank import QueryDocuments, Relevance


class CrossEncoder:
    """Reads the query with each document."""

    def __init__(self, loaded: Loaded) -> None:
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        self._scores = Scores(loaded.model.config)
        _require_one_label(self._scores.labels)
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> QueryDocuments:
        """Return a short query with a document."""
        return QueryDocuments("Hello?", ("Hello.",))

    def prepare(self, item: QueryDocuments) -> list[TokenRow]:
        """Return a row for each document.

        Raises:
            InvalidRequest: the query or a document is empty, or both are too long together.
        """
        if not item.query:
            raise InvalidRequest("the query is empty", param="query")
        return [
            self._pair(item.query, document, f"documents[{number}]")
            for number, document in enumerate(item.documents)
        ]

    @torch.inference_mode()
    def compute(self, rows: Sequence[TokenRow]) -> list[Any]:
        """Return the score per row."""
        output, _ = self._padded.forward(rows)
        return [score for (score,) in self._scores.compute(output.logits)]

    def finish(
        self, _item: QueryDocuments, rows: Sequence[TokenRow], outputs: Sequence[float]
    ) -> Relevance:
        """Return the scores."""
        return Relevance(tuple(outputs), tokens=sum(row.length for row in rows))

    def _pair(self, query: str, document: str, param: str) -> TokenRow:
        if not document:
            raise InvalidRequest("the document is empty", param=param)
        return self._texts.encode_pair(query, document, param=param)


def _require_one_label(labels: Sequence[str]) -> None:
    if len(labels) == 1:
        return
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The model has {len(labels)} labels ({', '.join(labels)}); rerank needs a cross-encoder "
        "with one, which tells how well a document answers a query",
        hint="Choose such a model, or serve an embedding model: it ranks documents by cosine.",
    )
