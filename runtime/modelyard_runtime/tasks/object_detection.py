"""object-detection: what is in a picture, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.media import (
    EXAMPLE_PICTURE,
    PICTURES,
    Base64Files,
    Files,
    split_files,
)
from modelyard_runtime.tasks.spec import TaskSpec, join_answers

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture's file, and how sure the model must be of an object in it."""

    data: bytes = field(repr=False)
    threshold: float = DEFAULT_THRESHOLD


@dataclass(frozen=True, slots=True)
class Detection:
    """An object. `box` is (left, top, right, bottom), in pixels of the upright picture."""

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects of one picture, the surest first."""

    objects: tuple[Detection, ...]
    tokens: int = 0


class ObjectDetectionRequest(Body):
    """One picture or several. `threshold`: objects of which the model is less sure are left out."""

    image: Annotated[Files, Base64Files("the image")]
    threshold: Annotated[float, Field(ge=0, le=1)] = DEFAULT_THRESHOLD


class Box(TypedDict):
    """In pixels from the top left corner of the picture, once it is turned as its EXIF says."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class DetectedObject(TypedDict):
    """What it is, how sure the model is of that (0 to 1), and where it is."""

    label: str
    score: float
    box: Box


class ObjectDetectionAnswer(TypedDict):
    """The objects in a picture, the surest first."""

    objects: list[DetectedObject]


def to_items(body: ObjectDetectionRequest) -> list[Scene]:
    """Return one item for each picture."""
    return [Scene(data, body.threshold) for data in split_files(body.image)]


def to_answer(
    body: ObjectDetectionRequest, results: Sequence[Detections]
) -> ObjectDetectionAnswer | list[ObjectDetectionAnswer]:
    """Return the objects in each picture."""
    answers: list[ObjectDetectionAnswer] = [
        {"objects": [_to_object(found) for found in result.objects]} for result in results
    ]
    return join_answers(body.image, answers)


def _to_object(found: Detection) -> DetectedObject:
    xmin, ymin, xmax, ymax = found.box
    box: Box = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
    return {"label": found.label, "score": found.score, "box": box}


SPEC = TaskSpec(
    task=Task.OBJECT_DETECTION,
    route="/object-detection",
    summary="Find what is in a picture, and where.",
    request=ObjectDetectionRequest,
    answer=ObjectDetectionAnswer,
    example={"image": EXAMPLE_PICTURE, "threshold": 0.5},
    to_items=to_items,
    to_answer=to_answer,
    media=PICTURES,
)
