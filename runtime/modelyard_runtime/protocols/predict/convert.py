"""Between `/predict` and the domain. Pure."""

from collections.abc import Sequence

import numpy as np

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Classification, Embedding, GenerateRequest, Sampling, TextInput
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.predict.schemas import (
    EmbeddingAnswer,
    LabelAnswer,
    PredictRequest,
    Scored,
)

#: Enough for a paragraph; OpenAI's routes are there for more control.
_DEFAULT_TOKENS = 128

#: Fields that only one task understands.
_TASK_OF_FIELD = {"top_k": Task.TEXT_CLASSIFICATION, "max_tokens": Task.TEXT_GENERATION}


def check_fields(body: PredictRequest, task: Task) -> None:
    """Refuse what this model's task cannot follow.

    Raises:
        InvalidRequest: a field of another task is set.
    """
    for field, owner in _TASK_OF_FIELD.items():
        if getattr(body, field) is not None and task is not owner:
            raise InvalidRequest(
                f"{field!r} is for {owner.value}; this model does {task.value}.",
                param=field,
                code="unsupported_parameter",
            )


def to_texts(body: PredictRequest) -> tuple[str, ...]:
    """Return the texts, one or more."""
    return (body.text,) if isinstance(body.text, str) else body.text


def to_inputs(body: PredictRequest) -> list[TextInput]:
    """Return one input for each text."""
    return [TextInput(text) for text in to_texts(body)]


def to_generations(body: PredictRequest, *, request_id: str) -> list[GenerateRequest]:
    """Return one request for each text; greedy, so that the same text has the same answer."""
    sampling = Sampling(max_tokens=body.max_tokens or _DEFAULT_TOKENS, temperature=0.0)
    return [
        GenerateRequest(id=f"{request_id}-{i}", prompt=text, sampling=sampling)
        for i, text in enumerate(to_texts(body))
    ]


def to_label(result: Classification, top_k: int | None) -> LabelAnswer:
    """Return the best label, and the best k if they are asked for."""
    ranked: list[Scored] = [
        {"label": label, "score": score} for label, score in result.scores.items()
    ]
    best = ranked[0]
    if top_k is None:
        return {"label": best["label"], "score": best["score"]}
    return {"label": best["label"], "score": best["score"], "top": ranked[:top_k]}


def to_embedding(result: Embedding) -> EmbeddingAnswer:
    """Return the vector."""
    return {"embedding": np.ascontiguousarray(result.vector)}


def to_body(body: PredictRequest, answers: Sequence[object]) -> object:
    """Return a list for a list, and one answer for one text."""
    return answers[0] if isinstance(body.text, str) else list(answers)
