"""fill-mask: what may stand in place of the mask, best first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import Example, TaskSpec, Texts, join_answers, split_texts

MAX_CANDIDATES = 100
#: BERT's.
_MASK = "[MASK]"


@dataclass(frozen=True, slots=True)
class Gap:
    """A text with masks, and how many candidates are wanted for each."""

    text: str
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token, its chance (0 to 1), and the text with it in place of the only mask."""

    token: str
    score: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """The candidates of each mask, in the order of the text."""

    gaps: tuple[tuple[Candidate, ...], ...]
    tokens: int


class FillMaskRequest(Body):
    """One text or several, with the model's own mask (`[MASK]`, `<mask>`)."""

    text: Texts
    top_k: Annotated[int, Field(ge=1, le=MAX_CANDIDATES)] = 5


class FilledMask(TypedDict):
    """A candidate; `text` only where the text has a single mask."""

    token: str
    score: float
    text: NotRequired[str]


class FillMaskAnswer(TypedDict):
    """The best token of the first mask, and the candidates of every mask in order."""

    token: str
    score: float
    masks: list[list[FilledMask]]


def to_items(body: FillMaskRequest) -> list[Gap]:
    """Return one item for each text."""
    return [Gap(text, body.top_k) for text in split_texts(body.text)]


def to_answer(
    body: FillMaskRequest, results: Sequence[Filled]
) -> FillMaskAnswer | list[FillMaskAnswer]:
    """Return the candidates for each text."""
    return join_answers(body.text, [_to_filled(result) for result in results])


def _to_filled(result: Filled) -> FillMaskAnswer:
    masks = [[_to_candidate(candidate) for candidate in gap] for gap in result.gaps]
    best = masks[0][0]
    return {"token": best["token"], "score": best["score"], "masks": masks}


def _to_candidate(candidate: Candidate) -> FilledMask:
    filled: FilledMask = {"token": candidate.token, "score": candidate.score}
    if candidate.text:
        filled["text"] = candidate.text
    return filled


def fit_example(example: Example, sample: Gap) -> Example:
    """Return the example with the model's own mask, which is all that the sample has."""
    return {**example, "text": example["text"].replace(_MASK, sample.text)}


SPEC = TaskSpec(
    task=Task.FILL_MASK,
    route="/fill-mask",
    summary="Rank what may stand in place of the mask.",
    request=FillMaskRequest,
    answer=FillMaskAnswer,
    example={"text": f"The capital of France is {_MASK}.", "top_k": 3},
    to_items=to_items,
    to_answer=to_answer,
    fit_example=fit_example,
)
