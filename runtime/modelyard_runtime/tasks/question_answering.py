"""question-answering: the words of a text that answer a question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import TaskSpec

#: The default is that of transformers 4.
ANSWER_TOKENS = 15
MAX_ANSWER_TOKENS = 100


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the text that has the answer, and how many tokens an answer has at most."""

    question: str
    context: str
    max_answer_tokens: int = ANSWER_TOKENS


@dataclass(frozen=True, slots=True)
class Span:
    """The answer: characters `start` to `end` of the context."""

    answer: str
    score: float
    start: int
    end: int
    tokens: int


class QuestionAnsweringRequest(Body):
    """A question, and the text in which its answer stands, of any length."""

    question: str
    context: str
    max_answer_tokens: Annotated[int, Field(ge=1, le=MAX_ANSWER_TOKENS)] = ANSWER_TOKENS


class SpanAnswer(TypedDict):
    """A part of the context; `start` and `end` count its characters."""

    answer: str
    score: float
    start: int
    end: int


def to_items(body: QuestionAnsweringRequest) -> list[Question]:
    """Return the question."""
    return [Question(body.question, body.context, body.max_answer_tokens)]


def to_answer(_body: QuestionAnsweringRequest, results: Sequence[Span]) -> SpanAnswer:
    """Return the answer."""
    (span,) = results
    return {"answer": span.answer, "score": span.score, "start": span.start, "end": span.end}


SPEC = TaskSpec(
    task=Task.QUESTION_ANSWERING,
    route="/question-answering",
    summary="Find the words of a text that answer a question.",
    request=QuestionAnsweringRequest,
    answer=SpanAnswer,
    example={
        "question": "Where does Angela live?",
        "context": "Angela has lived in Berlin since she was nine.",
    },
    to_items=to_items,
    to_answer=to_answer,
)
