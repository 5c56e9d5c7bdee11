"""text-classification: which label fits a text."""

from collections.abc import Sequence
from typing import NotRequired

from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Classification, TextInput
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import (
    Count,
    Example,
    TaskSpec,
    Texts,
    fit_text,
    join_answers,
    split_texts,
)


class ClassificationRequest(Body):
    """One text or several. `top_k`: also tell the best so many labels."""

    text: Texts
    top_k: Count | None = None


class Scored(TypedDict):
    """A label and how sure the model is of it, usually 0 to 1."""

    label: str
    score: float


class LabelAnswer(Scored):
    """The best label; with top_k, the best ones."""

    top: NotRequired[list[Scored]]


def to_items(body: ClassificationRequest) -> list[TextInput]:
    """Return one input for each text."""
    return [TextInput(text) for text in split_texts(body.text)]


def to_answer(
    body: ClassificationRequest, results: Sequence[Classification]
) -> LabelAnswer | list[LabelAnswer]:
    """Return the best label of each text."""
    return join_answers(body.text, [to_label(result, body.top_k) for result in results])


def to_label(result: Classification, top_k: int | None) -> LabelAnswer:
    """Return the best label, and the best k if they are asked for."""
    ranked: list[Scored] = [
        {"label": label, "score": score} for label, score in result.scores.items()
    ]
    best = ranked[0]
    if top_k is None:
        return {"label": best["label"], "score": best["score"]}
    return {"label": best["label"], "score": best["score"], "top": ranked[:top_k]}


def fit_example(example: Example, sample: TextInput) -> Example:
    """Return the example; with the text of a class that says what it can be asked."""
    return fit_text(example, sample.content)


SPEC = TaskSpec(
    task=Task.TEXT_CLASSIFICATION,
    route="/text-classification",
    summary="Tell which label fits a text.",
    request=ClassificationRequest,
    answer=LabelAnswer,
    example={"text": "I enjoyed every minute of it.", "top_k": 2},
    to_items=to_items,
    to_answer=to_answer,
    fit_example=fit_example,
)
