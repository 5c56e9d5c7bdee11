"""automatic-speech-recognition: what is said in a recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.media import EXAMPLE_SOUND, SOUNDS, Base64Files
from modelyard_runtime.tasks.spec import TaskSpec

Language = Annotated[str, Field(min_length=2, max_length=32, pattern="^[A-Za-z-]+$")]
"""As the model knows it: `en`, for most."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound's file, and the language spoken in it; None lets the model hear."""

    data: bytes = field(repr=False)
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, the length of the recording, and the tokens generated for it."""

    text: str
    seconds: float
    completion_tokens: int
    #: None is read, of a recording.
    tokens: int = 0

    @property
    def units(self) -> dict[str, float]:
        """What is billed besides tokens."""
        return {"audio_seconds": self.seconds}


class TranscriptionRequest(Body):
    """A recording; `language` helps models that know several."""

    audio: Annotated[bytes, Base64Files("the audio", max_files=1)]
    language: Language | None = None


class TranscriptAnswer(TypedDict):
    """What was said, and the length of the recording."""

    text: str
    seconds: float


def to_items(body: TranscriptionRequest) -> list[Recording]:
    """Return the one recording."""
    return [Recording(body.audio, body.language)]


def to_answer(_body: TranscriptionRequest, results: Sequence[Transcript]) -> TranscriptAnswer:
    """Return its text."""
    return {"text": results[0].text, "seconds": results[0].seconds}


SPEC = TaskSpec(
    task=Task.AUTOMATIC_SPEECH_RECOGNITION,
    route="/automatic-speech-recognition",
    summary="Write down what is said.",
    request=TranscriptionRequest,
    answer=TranscriptAnswer,
    example={"audio": EXAMPLE_SOUND},
    to_items=to_items,
    to_answer=to_answer,
    media=SOUNDS,
)
