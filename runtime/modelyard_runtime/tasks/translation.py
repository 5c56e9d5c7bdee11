"""translation: a text in another language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.rewriting import Rewritten, RewrittenAnswer
from modelyard_runtime.tasks.spec import (
    Count,
    Example,
    TaskSpec,
    Texts,
    fit_text,
    join_answers,
    split_texts,
)

Language = Annotated[str, Field(min_length=1, max_length=32)]


@dataclass(frozen=True, slots=True)
class TextToTranslate:
    """A text, and from which language into which, in the model's own words for them.

    An empty language is the model's only one. `max_tokens` bounds the translation; None leaves it
    to the model.
    """

    text: str
    source: str = ""
    target: str = ""
    max_tokens: int | None = None


class TranslationRequest(Body):
    """One text or several; `source` and `target` for models that translate several languages."""

    text: Texts
    source: Language | None = None
    target: Language | None = None
    max_tokens: Count | None = None


def to_items(body: TranslationRequest) -> list[TextToTranslate]:
    """Return one item for each text."""
    return [
        TextToTranslate(text, body.source or "", body.target or "", body.max_tokens)
        for text in split_texts(body.text)
    ]


def to_answer(
    body: TranslationRequest, results: Sequence[Rewritten]
) -> RewrittenAnswer | list[RewrittenAnswer]:
    """Return the translation of each text."""
    answers: list[RewrittenAnswer] = [{"text": result.text} for result in results]
    return join_answers(body.text, answers)


def fit_example(example: Example, sample: TextToTranslate) -> Example:
    """Return the example; with languages where the model needs them, and a class's own text."""
    languages = {"source": sample.source, "target": sample.target}
    named = {name: language for name, language in languages.items() if language}
    return fit_text(example, sample.text) | named


SPEC = TaskSpec(
    task=Task.TRANSLATION,
    route="/translate",
    summary="Translate a text.",
    request=TranslationRequest,
    answer=RewrittenAnswer,
    example={"text": "How are you?"},
    to_items=to_items,
    to_answer=to_answer,
    fit_example=fit_example,
)
