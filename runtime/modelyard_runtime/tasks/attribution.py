"""Which parts of a text or a picture a classifier's score comes from: what is asked, and answered.

For classifiers of texts and of pictures, beside what their tasks declare themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.media import (
    EXAMPLE_PICTURE,
    PICTURES,
    Base64Files,
    Media,
    Picture,
)

#: Each step is about three times the work of a plain answer.
MAX_STEPS = 128
_STEPS = 32
_MAX_LABEL = 256

Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Label = Annotated[str, Field(max_length=_MAX_LABEL)]


@dataclass(frozen=True, slots=True)
class ToExplain:
    """An item of a classifier, the label whose score is to be explained, and how finely."""

    item: Any
    label: str
    steps: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The score of a label, and that of the baseline: an input that says nothing.

    `total` is the sum of all attributions. It would be the difference of the two scores, were the
    integral exact.
    """

    label: str
    score: float
    baseline_score: float
    total: float
    steps: int

    @property
    def delta(self) -> float:
        """By how much the sum misses the difference of the scores."""
        return self.total - (self.score - self.baseline_score)


@dataclass(frozen=True, slots=True)
class Share:
    """What a token contributes; it is characters `start` to `end` of the text."""

    start: int
    end: int
    attribution: float


@dataclass(frozen=True, slots=True)
class ExplainedText:
    """The shares of a text's tokens, in its order; `baseline` is the token put in their places."""

    difference: Difference
    shares: Sequence[Share]
    baseline: str
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedPicture:
    """The shares of a picture's parts, shape (rows, columns), of what the model sees of it.

    `seen` is that: the scaled and cut picture, uint8, shape (height, width, 3).
    """

    difference: Difference
    grid: NDArray[np.float64]
    seen: NDArray[np.uint8] = field(repr=False)
    tokens: int = 0


class TextToExplainRequest(Body):
    """A text. `label`: whose score is explained; empty or left out: the best one."""

    text: str
    label: Label | None = None
    steps: Steps = _STEPS


class PictureToExplainRequest(Body):
    """A picture. `label`: whose score is explained; empty or left out: the best one."""

    image: Annotated[bytes, Base64Files("the image", max_files=1)]
    label: Label | None = None
    steps: Steps = _STEPS


class Explanation(TypedDict):
    """`sum` of all attributions; `delta`: how far it is from `score` less `baseline_score`."""

    label: str
    score: float
    baseline_score: float
    sum: float
    delta: float
    steps: int


class TokenAttribution(TypedDict):
    """A token, `start` and `end` in characters of the text, and what it adds to the score."""

    text: str
    start: int
    end: int
    attribution: float


class TextExplanation(Explanation):
    """What each token adds; `baseline` is the token that stands for one that says nothing."""

    tokens: list[TokenAttribution]
    baseline: str


class PictureExplanation(Explanation):
    """What each part of the picture adds, in rows from the top and columns from the left.

    `width` and `height` are, in pixels, of the picture as the model sees it, scaled and cut; the
    grid covers just that.
    """

    grid: list[list[float]]
    width: int
    height: int


def to_text_answer(body: TextToExplainRequest, result: ExplainedText) -> TextExplanation:
    """Return the tokens with their attributions."""
    tokens: list[TokenAttribution] = [
        {
            "text": body.text[share.start : share.end],
            "start": share.start,
            "end": share.end,
            "attribution": share.attribution,
        }
        for share in result.shares
    ]
    return {**_describe(result.difference), "tokens": tokens, "baseline": result.baseline}


def to_picture_answer(
    _body: PictureToExplainRequest, result: ExplainedPicture
) -> PictureExplanation:
    """Return the grid of attributions."""
    height, width, _ = result.seen.shape
    return {
        **_describe(result.difference),
        "grid": result.grid.tolist(),
        "width": width,
        "height": height,
    }


def _describe(difference: Difference) -> Explanation:
    return {
        "label": difference.label,
        "score": difference.score,
        "baseline_score": difference.baseline_score,
        "sum": difference.total,
        "delta": difference.delta,
        "steps": difference.steps,
    }


@dataclass(frozen=True, slots=True)
class AttributionSpec:
    """How answers of a task are explained; as TaskSpec, but of one item at a time. Pure."""

    task: Task
    request: type[Body]
    answer: Any
    example: dict[str, Any]
    to_item: Callable[[Any], Any]
    to_answer: Callable[[Any, Any], Any]
    media: Media | None = None


EXPLAINED: dict[Task, AttributionSpec] = {
    Task.TEXT_CLASSIFICATION: AttributionSpec(
        task=Task.TEXT_CLASSIFICATION,
        request=TextToExplainRequest,
        answer=TextExplanation,
        example={"text": "I enjoyed every minute of it.", "steps": 32},
        to_item=lambda body: TextInput(body.text),
        to_answer=to_text_answer,
    ),
    Task.IMAGE_CLASSIFICATION: AttributionSpec(
        task=Task.IMAGE_CLASSIFICATION,
        request=PictureToExplainRequest,
        answer=PictureExplanation,
        example={"image": EXAMPLE_PICTURE, "steps": 32},
        to_item=lambda body: Picture(body.image),
        to_answer=to_picture_answer,
        media=PICTURES,
    ),
}
