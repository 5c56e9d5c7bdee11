"""A scripted engine for files: what a file says in letters decides its result."""

from collections.abc import Callable, Sequence

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Classification
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.tasks.attribution import ToExplain
from modelyard_runtime.tasks.automatic_speech_recognition import Recording, Transcript
from modelyard_runtime.tasks.media import Picture
from modelyard_runtime.tasks.object_detection import Detection, Detections, Scene
from tests.support.fake_engine import FakeEngine, build_info
from tests.support.fake_explanations import explain_picture


def classify(item: Picture | ToExplain) -> object:
    """`good` is good; `broken` is no picture."""
    if isinstance(item, ToExplain):
        return explain_picture(item)
    if item.data == b"broken":
        raise InvalidRequest("this is no PNG, JPEG, WebP or GIF file", param="image")
    good = 0.75 if b"good" in item.data else 0.25
    scores = {"GOOD": good, "BAD": 1 - good}
    return Classification(dict(sorted(scores.items(), key=lambda pair: -pair[1])), tokens=0)


def transcribe(item: Recording) -> Transcript:
    """Its letters are what is said; `broken` is no sound."""
    if item.data == b"broken":
        raise InvalidRequest("this is no WAV, FLAC, Ogg or MP3 file", param="audio")
    if item.language == "xx":
        raise InvalidRequest("this model does not know the language 'xx'", param="language")
    text = item.data.decode(errors="replace")
    return Transcript(text, seconds=1.5, completion_tokens=len(text.split()))


def detect(item: Scene) -> Detections:
    """Two things, one of them less sure."""
    found = (
        Detection("cat", 0.75, (1.0, 2.0, 3.5, 4.0)),
        Detection("dog", 0.25, (0.0, 0.0, 1.0, 1.0)),
    )
    return Detections(tuple(one for one in found if one.score > item.threshold))


_ANSWERS: dict[Task, Callable[..., object]] = {
    Task.IMAGE_CLASSIFICATION: classify,
    Task.OBJECT_DETECTION: detect,
    Task.AUTOMATIC_SPEECH_RECOGNITION: transcribe,
}


class FakeMediaEngine(FakeEngine):
    """Answers files; seen in `items`."""

    def __init__(self, task: Task) -> None:
        super().__init__(build_info(task))
        self.items: list[object] = []

    def sample(self) -> object:
        return Picture(b"good")

    async def run(self, items: Sequence[object]) -> list[object]:
        self.items += items
        return [_ANSWERS[self.info.task](item) for item in items]
