"""Bodies of `/predict`."""

from typing import Annotated, Any, NotRequired

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from modelyard_runtime.protocols.body import Body, Expected

MAX_TEXTS = 2048
MAX_TOKENS = 2**31 - 1


class PredictRequest(Body):
    """POST /predict. A list of texts is answered by a list, in the same order."""

    text: Annotated[
        str | Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_TEXTS, fail_fast=True)],
        Expected(f"a text, or a list of up to {MAX_TEXTS} texts"),
    ]
    #: Of classifiers only: also tell the best so many labels.
    top_k: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    #: Of text generators only: the length of the continuation.
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None


class Scored(TypedDict):
    """A label and how sure the model is of it."""

    label: str
    score: float


class LabelAnswer(Scored):
    """The best label; with top_k, the best ones."""

    top: NotRequired[list[Scored]]


class EmbeddingAnswer(TypedDict):
    """The text's vector."""

    embedding: Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "number"}})]


class TextAnswer(TypedDict):
    """The text's continuation."""

    text: str


Answer = LabelAnswer | EmbeddingAnswer | TextAnswer


class ErrorDetail(TypedDict):
    """What went wrong, and in which field."""

    code: str
    message: str
    field: str | None


class ErrorAnswer(TypedDict):
    """The envelope of an error."""

    error: ErrorDetail
