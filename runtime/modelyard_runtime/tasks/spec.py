"""What a task declares of itself, so that every protocol can serve it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body, Expected
from modelyard_runtime.tasks.media import Media

MAX_TEXTS = 2048
#: Of counts, so that they fit every array library's integers.
MAX_COUNT = 2**31 - 1

Texts = Annotated[
    str | Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_TEXTS, fail_fast=True)],
    Expected(f"a text, or a list of up to {MAX_TEXTS} texts"),
]
"""One text, or several to be answered by a list in the same order."""

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task, as protocols see it: a schema, and the way from there to items and back. Pure.

    `request` is the body of `POST /predict` and of the task's own `route`; `answer` the type of the
    answer to one item; `example` a body that any model of the task can answer, but for its texts.
    `to_items` returns what the engine takes; `to_answer` what the client is told of its results.
    `media` is set where a request may also be a file by itself, or a form with one.
    """

    task: Task
    route: str
    summary: str
    request: type[Body]
    answer: Any
    example: dict[str, Any]
    to_items: Callable[[Any], Sequence[Any]]
    to_answer: Callable[[Any, Sequence[Any]], Any]
    media: Media | None = None


Answer = TypeVar("Answer")


def split_texts(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts, one or more."""
    return (texts,) if isinstance(texts, str) else texts


def join_answers(asked: object, answers: Sequence[Answer]) -> Answer | list[Answer]:
    """Return a list where several were asked (a tuple), and one answer for one text or file."""
    return list(answers) if isinstance(asked, tuple) else answers[0]
