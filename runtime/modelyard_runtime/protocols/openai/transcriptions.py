"""OpenAI's route for speech: a form in, text out."""

import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field, StringConstraints
from starlette.responses import PlainTextResponse, Response
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.media import describe_form, read_form
from modelyard_runtime.protocols.naming import naming_fields
from modelyard_runtime.protocols.openai.answers import ErrorAnswer
from modelyard_runtime.protocols.openai.parameters import Unsupported
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.schema import Body, unsupported
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.automatic_speech_recognition import (
    Language,
    Recording,
    Transcript,
)
from modelyard_runtime.tasks.media import Base64Files

TRANSCRIPTIONS = "/v1/audio/transcriptions"

_FILE = "file"


def _require_greedy(temperature: float | None) -> float | None:
    if temperature:
        raise unsupported()
    return temperature


def _require_whole(stream: bool | None) -> bool | None:  # noqa: FBT001 - a value, no switch
    if stream:
        raise unsupported()
    return stream


class TranscriptionForm(Body):
    """The fields of the form; this server is greedy, and answers with the text alone."""

    file: Annotated[bytes, Base64Files("the file", max_files=1)]
    model: str
    language: Language | None = None
    response_format: Literal["json", "text"] = "json"
    temperature: Annotated[float | None, Field(ge=0, le=1), AfterValidator(_require_greedy)] = None
    stream: Annotated[bool | None, AfterValidator(_require_whole)] = None
    user: Annotated[str, StringConstraints(max_length=256)] | None = None
    # Each of these would change the answer.
    prompt: Annotated[Any, Unsupported(unless=("",))] = None
    chunking_strategy: Annotated[Any, Unsupported(unless=("auto",))] = None
    include: Annotated[Any, Unsupported(), Field(alias="include[]")] = None
    timestamp_granularities: Annotated[
        Any, Unsupported(), Field(alias="timestamp_granularities[]")
    ] = None
    keywords: Annotated[Any, Unsupported(), Field(alias="keywords[]")] = None
    languages: Annotated[Any, Unsupported(), Field(alias="languages[]")] = None
    known_speaker_names: Annotated[Any, Unsupported(), Field(alias="known_speaker_names[]")] = None
    known_speaker_references: Annotated[
        Any, Unsupported(), Field(alias="known_speaker_references[]")
    ] = None


class DurationUsage(TypedDict):
    """What the recording took, in seconds begun."""

    type: Literal["duration"]
    seconds: int


class Transcription(TypedDict):
    """What was said."""

    text: str
    usage: DurationUsage


def build_router(service: InferenceService) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["OpenAI"])

    @router.post(
        TRANSCRIPTIONS,
        response_model=None,
        responses={
            200: {
                "model": Transcription,
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            "default": {"model": ErrorAnswer, "description": "Error"},
        },
        openapi_extra=describe_form(TranscriptionForm, _FILE),
    )
    async def transcriptions(request: Request) -> Response:
        """Write down what is said in a recording."""
        service.check_task(Task.AUTOMATIC_SPEECH_RECOGNITION)
        body = await read_form(request, TranscriptionForm, _FILE)
        service.check_model(body.model)
        with naming_fields({"audio": _FILE}):
            (transcript,) = await while_client_waits(
                request.receive,
                service.run(
                    Task.AUTOMATIC_SPEECH_RECOGNITION, [Recording(body.file, body.language)]
                ),
            )
        return _answer(transcript, body)

    return router


def _answer(transcript: Transcript, body: TranscriptionForm) -> Response:
    if body.response_format == "text":
        return PlainTextResponse(transcript.text)
    answer: Transcription = {
        "text": transcript.text,
        "usage": {"type": "duration", "seconds": math.ceil(transcript.seconds)},
    }
    return json_response(answer)
