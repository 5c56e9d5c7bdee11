"""embeddings: a text as a vector."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Embedding, TextInput
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import TaskSpec, Texts, join_answers, split_texts


class EmbeddingsRequest(Body):
    """One text or several."""

    text: Texts


class EmbeddingAnswer(TypedDict):
    """The text's vector."""

    embedding: Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "number"}})]


def to_items(body: EmbeddingsRequest) -> list[TextInput]:
    """Return one input for each text."""
    return [TextInput(text) for text in split_texts(body.text)]


def to_answer(
    body: EmbeddingsRequest, results: Sequence[Embedding]
) -> EmbeddingAnswer | list[EmbeddingAnswer]:
    """Return the vector of each text."""
    answers: list[EmbeddingAnswer] = [
        {"embedding": np.ascontiguousarray(result.vector)} for result in results
    ]
    return join_answers(body.text, answers)


SPEC = TaskSpec(
    task=Task.EMBEDDINGS,
    route="/embeddings",
    summary="Turn a text into a vector.",
    request=EmbeddingsRequest,
    answer=EmbeddingAnswer,
    example={"text": ["A cat sits on the mat.", "A kitten rests on a rug."]},
    to_items=to_items,
    to_answer=to_answer,
)
