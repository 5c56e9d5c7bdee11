"""summarization: a long text in a few sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class TextToSummarise:
    """A text; `max_tokens` bounds the summary, None leaves it to the model."""

    text: str
    max_tokens: int | None = None


class SummarizationRequest(Body):
    """One text or several. `max_tokens`: the greatest length of the summary."""

    text: Texts
    max_tokens: Count | None = None


def to_items(body: SummarizationRequest) -> list[TextToSummarise]:
    """Return one item for each text."""
    return [TextToSummarise(text, body.max_tokens) for text in split_texts(body.text)]


def to_answer(
    body: SummarizationRequest, results: Sequence[Rewritten]
) -> RewrittenAnswer | list[RewrittenAnswer]:
    """Return the summary of each text."""
    answers: list[RewrittenAnswer] = [{"text": result.text} for result in results]
    return join_answers(body.text, answers)


def fit_example(example: Example, sample: TextToSummarise) -> Example:
    """Return the example; with the text of a class that says what it can be asked."""
    return fit_text(example, sample.text)


SPEC = TaskSpec(
    task=Task.SUMMARIZATION,
    route="/summarize",
    summary="Say in a few sentences what a text says.",
    request=SummarizationRequest,
    answer=RewrittenAnswer,
    example={"text": "Penguins are birds that do not fly. They swim very well, and eat fish."},
    to_items=to_items,
    to_answer=to_answer,
    fit_example=fit_example,
)
