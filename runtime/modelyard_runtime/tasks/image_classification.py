"""image-classification: which label fits a picture."""

from collections.abc import Sequence
from typing import Annotated

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Classification
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.media import (
    EXAMPLE_PICTURE,
    PICTURES,
    Base64Files,
    Files,
    Picture,
    split_files,
)
from modelyard_runtime.tasks.spec import Count, TaskSpec, join_answers
from modelyard_runtime.tasks.text_classification import LabelAnswer, to_label


class ImageClassificationRequest(Body):
    """One picture or several. `top_k`: also tell the best so many labels."""

    image: Annotated[Files, Base64Files("the image")]
    top_k: Count | None = None


def to_items(body: ImageClassificationRequest) -> list[Picture]:
    """Return one item for each picture."""
    return [Picture(data) for data in split_files(body.image)]


def to_answer(
    body: ImageClassificationRequest, results: Sequence[Classification]
) -> LabelAnswer | list[LabelAnswer]:
    """Return the best label of each picture."""
    return join_answers(body.image, [to_label(result, body.top_k) for result in results])


SPEC = TaskSpec(
    task=Task.IMAGE_CLASSIFICATION,
    route="/image-classification",
    summary="Tell which label fits a picture.",
    request=ImageClassificationRequest,
    answer=LabelAnswer,
    example={"image": EXAMPLE_PICTURE, "top_k": 2},
    to_items=to_items,
    to_answer=to_answer,
    media=PICTURES,
)
