"""zero-shot-classification: which of the labels that the request brings fits a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body, conflict
from modelyard_runtime.tasks.spec import TaskSpec, Texts, join_answers, split_texts
from modelyard_runtime.tasks.text_classification import Scored

MAX_LABELS = 100
#: Each text is read with each label.
MAX_PAIRS = 4096
SLOT = "{}"
TEMPLATE = f"This example is {SLOT}."


@dataclass(frozen=True, slots=True)
class TextToLabel:
    """A text and its candidates; `template` makes a sentence of a label put in place of `{}`."""

    text: str
    labels: tuple[str, ...]
    template: str = TEMPLATE
    multi_label: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """The labels with their scores (0 to 1), the best first."""

    labels: tuple[tuple[str, float], ...]
    tokens: int


def _require_slot(template: str) -> str:
    if template.count(SLOT) != 1:
        raise PydanticCustomError(
            "invalid_value", "Expected {slot} once, where the label goes", {"slot": SLOT}
        )
    return template


class ZeroShotRequest(Body):
    """One text or several, and the labels to choose from.

    `multi_label`: each label is judged by itself; else the scores add up to 1.
    """

    text: Texts
    labels: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(min_length=1, max_length=MAX_LABELS),
    ]
    multi_label: bool = False
    template: Annotated[str, AfterValidator(_require_slot)] = TEMPLATE

    @model_validator(mode="after")
    def _require_few_pairs(self) -> Self:
        texts, labels = len(split_texts(self.text)), len(self.labels)
        if texts * labels > MAX_PAIRS:
            raise conflict(
                "text",
                f"{texts} texts with {labels} labels are {texts * labels} pairs; "
                f"at most {MAX_PAIRS} are read",
            )
        return self


class ZeroShotAnswer(TypedDict):
    """The best label, and all of them, the best first."""

    label: str
    score: float
    labels: list[Scored]


def to_items(body: ZeroShotRequest) -> list[TextToLabel]:
    """Return one item for each text."""
    return [
        TextToLabel(text, body.labels, body.template, body.multi_label)
        for text in split_texts(body.text)
    ]


def to_answer(
    body: ZeroShotRequest, results: Sequence[Ranked]
) -> ZeroShotAnswer | list[ZeroShotAnswer]:
    """Return the labels of each text."""
    return join_answers(body.text, [_to_labels(result) for result in results])


def _to_labels(result: Ranked) -> ZeroShotAnswer:
    label, score = result.labels[0]
    ranked: list[Scored] = [{"label": label, "score": score} for label, score in result.labels]
    return {"label": label, "score": score, "labels": ranked}


SPEC = TaskSpec(
    task=Task.ZERO_SHOT_CLASSIFICATION,
    route="/zero-shot-classification",
    summary="Tell which of the given labels fits a text.",
    request=ZeroShotRequest,
    answer=ZeroShotAnswer,
    example={"text": "The team won in the last minute.", "labels": ["sports", "politics"]},
    to_items=to_items,
    to_answer=to_answer,
)
