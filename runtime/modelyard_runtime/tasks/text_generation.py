"""text-generation: how a text goes on. OpenAI's routes are there for more control."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Continuation, GenerateRequest, Sampling
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import Count, TaskSpec, Texts, join_answers, split_texts

#: Enough for a paragraph.
_DEFAULT_TOKENS = 128


class GenerationRequest(Body):
    """One text or several. `max_tokens`: the length of the continuation.

    `model` may name the model, or an adapter of it.
    """

    text: Texts
    max_tokens: Count | None = None
    model: str | None = None


class TextAnswer(TypedDict):
    """The text's continuation."""

    text: str


def to_items(body: GenerationRequest) -> list[GenerateRequest]:
    """Return one request for each text; greedy, so that the same text has the same answer."""
    sampling = Sampling(max_tokens=body.max_tokens or _DEFAULT_TOKENS, temperature=0.0)
    return [
        GenerateRequest(id="", prompt=text, sampling=sampling) for text in split_texts(body.text)
    ]


def to_answer(
    body: GenerationRequest, results: Sequence[Continuation]
) -> TextAnswer | list[TextAnswer]:
    """Return the continuation of each text."""
    answers: list[TextAnswer] = [{"text": result.text} for result in results]
    return join_answers(body.text, answers)


SPEC = TaskSpec(
    task=Task.TEXT_GENERATION,
    route="/text-generation",
    summary="Continue a text.",
    request=GenerationRequest,
    answer=TextAnswer,
    example={"text": "The capital of France is", "max_tokens": 8},
    to_items=to_items,
    to_answer=to_answer,
)
