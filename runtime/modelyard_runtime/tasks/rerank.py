"""rerank: documents by how well they answer a query.

Requests and answers have the shape that Cohere and Jina gave them and others took over:
`model`, `query`, `documents`, `top_n`, `return_documents`; `results` with `relevance_score`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NotRequired

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Embedding
from modelyard_runtime.schema import Body, Expected
from modelyard_runtime.tasks.spec import MAX_TEXTS, Count, TaskSpec


@dataclass(frozen=True, slots=True)
class QueryDocuments:
    """A query, and the documents to be compared with it."""

    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relevance:
    """How relevant each document is, in the order of the documents."""

    scores: tuple[float, ...]
    tokens: int


class Document(Body):
    """A document as an object."""

    text: str


class RerankRequest(Body):
    """A query and documents; `top_n` wants only the best so many. `model` may be left out."""

    query: str
    documents: Annotated[
        tuple[Annotated[str | Document, Expected("a text, or an object with the field text")], ...],
        Field(min_length=1, max_length=MAX_TEXTS, fail_fast=True),
    ]
    top_n: Count | None = None
    return_documents: bool = True
    model: str | None = None

    def texts(self) -> tuple[str, ...]:
        """Return the documents' texts."""
        return tuple(one if isinstance(one, str) else one.text for one in self.documents)


class DocumentText(TypedDict):
    """A document of the request."""

    text: str


class RankedDocument(TypedDict):
    """A document's place in the request, and its score: the higher, the more relevant."""

    index: int
    relevance_score: float
    document: NotRequired[DocumentText]


class RerankUsage(TypedDict):
    """Tokens that the model read."""

    prompt_tokens: int
    total_tokens: int


class RerankAnswer(TypedDict):
    """The documents, the most relevant first."""

    results: list[RankedDocument]
    usage: RerankUsage


def to_items(body: RerankRequest) -> list[QueryDocuments]:
    """Return the query with its documents."""
    return [QueryDocuments(body.query, body.texts())]


def to_answer(body: RerankRequest, results: Sequence[Relevance]) -> RerankAnswer:
    """Return the documents in the order of their scores; of equal ones, the first stays first."""
    (relevance,) = results
    scores, texts = relevance.scores, body.texts()
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
    ranked: list[RankedDocument] = []
    for index in order:
        document: RankedDocument = {"index": index, "relevance_score": scores[index]}
        if body.return_documents:
            document["document"] = {"text": texts[index]}
        ranked.append(document)
    tokens = relevance.tokens
    return {"results": ranked, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def compare(query: Embedding, documents: Sequence[Embedding]) -> Relevance:
    """Return the cosine of each document's vector with the query's: -1 to 1."""
    vectors = np.stack([document.vector for document in documents]).astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query.vector)
    # A vector of length 0 is like nothing.
    cosines = vectors @ query.vector / np.where(lengths > 0, lengths, 1.0)
    tokens = query.tokens + sum(document.tokens for document in documents)
    return Relevance(tuple(cosines.tolist()), tokens=tokens)


SPEC = TaskSpec(
    task=Task.RERANK,
    route="/rerank",
    summary="Sort documents by how well they answer a query.",
    request=RerankRequest,
    answer=RerankAnswer,
    example={
        "query": "Where do penguins live?",
        "documents": ["Penguins live in the southern hemisphere.", "A penguin is a biscuit."],
        "top_n": 1,
    },
    to_items=to_items,
    to_answer=to_answer,
)
