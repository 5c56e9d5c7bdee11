"""What a task declares of itself, so that every protocol can serve it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body, Expected
from modelyard_runtime.tasks.media import Media

MAX_TEXTS = 2048
#: What a model is tried with that says nothing of its own: no example for people.
ANY_TEXT = "Hello"
#: Of counts, so that they fit every array library's integers.
MAX_COUNT = 2**31 - 1

Texts = Annotated[
    str | Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_TEXTS, fail_fast=True)],
    Expected(f"a text, or a list of up to {MAX_TEXTS} texts"),
]
"""One text, or several to be answered by a list in the same order."""

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


Example = dict[str, Any]


def keep_example(example: Example, _sample: Any) -> Example:
    """Return the example, which fits any model of its task."""
    return example


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task, as protocols see it: a schema, and the way from there to items and back. Pure.

    `request` is the body of `POST /predict` and of the task's own `route`; `answer` the type of the
    answer to one item; `example` a body that most models of the task can answer.
    `to_items` returns what the engine takes; `to_answer` what the client is told of its results.
    `media` is set where a request may also be a file by itself, or a form with one.
    `fit_example` makes of the example, and of an item that a model is known to answer, a body that
    this very model answers; empty where there is none to be shown.
    """

    task: Task
    route: str
    summary: str
    request: type[Body]
    answer: Any
    example: Example
    to_items: Callable[[Any], Sequence[Any]]
    to_answer: Callable[[Any, Sequence[Any]], Any]
    media: Media | None = None
    fit_example: Callable[[Example, Any], Example] = keep_example


Answer = TypeVar("Answer")


def split_texts(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts, one or more."""
    return (texts,) if isinstance(texts, str) else texts


def join_answers(asked: object, answers: Sequence[Answer]) -> Answer | list[Answer]:
    """Return a list where several were asked (a tuple), and one answer for one text or file."""
    return list(answers) if isinstance(asked, tuple) else answers[0]


def fit_text(example: Example, text: object) -> Example:
    """Return the example with a model's own text, if it has one."""
    return example if text == ANY_TEXT else {**example, "text": text}
