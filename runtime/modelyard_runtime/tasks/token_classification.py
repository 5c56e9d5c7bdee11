"""token-classification: which parts of a text are a name, a place, a date."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import TaskSpec, Texts, join_answers, split_texts


@dataclass(frozen=True, slots=True)
class TextToTag:
    """A text whose parts are to be labelled."""

    text: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of the text: characters `start` to `end`, and how sure the model is of its group."""

    group: str
    score: float
    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """The entities of a text, in its order; none is an answer."""

    entities: tuple[Entity, ...]
    tokens: int


class TokenClassificationRequest(Body):
    """One text or several."""

    text: Texts


class FoundEntity(TypedDict):
    """A part of the text; `word` is how the model reads it, `start` and `end` count characters."""

    entity_group: str
    score: float
    word: str
    start: int
    end: int


class EntitiesAnswer(TypedDict):
    """What was found in the text, in its order."""

    entities: list[FoundEntity]


def to_items(body: TokenClassificationRequest) -> list[TextToTag]:
    """Return one item for each text."""
    return [TextToTag(text) for text in split_texts(body.text)]


def to_answer(
    body: TokenClassificationRequest, results: Sequence[Tagged]
) -> EntitiesAnswer | list[EntitiesAnswer]:
    """Return the entities of each text."""
    return join_answers(body.text, [_to_entities(result) for result in results])


def _to_entities(result: Tagged) -> EntitiesAnswer:
    return {
        "entities": [
            {
                "entity_group": entity.group,
                "score": entity.score,
                "word": entity.word,
                "start": entity.start,
                "end": entity.end,
            }
            for entity in result.entities
        ]
    }


SPEC = TaskSpec(
    task=Task.TOKEN_CLASSIFICATION,
    route="/token-classification",
    summary="Find the names, places and the like in a text.",
    request=TokenClassificationRequest,
    answer=EntitiesAnswer,
    example={"text": "Angela lives in Berlin."},
    to_items=to_items,
    to_answer=to_answer,
)
