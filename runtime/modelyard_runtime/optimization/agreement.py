"""How far two answers to the same request agree: 0, not at all, to 1, as good as the same.

Compared is what a client acts on: the label, the word, the text, the order; not the scores.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from modelyard_api.v1alpha1 import Task

Answer = Mapping[str, Any]


def measure_agreement(task: Task, one: Any, other: Any) -> float:
    """Return how far two answers of a task agree; lists of answers are compared one by one."""
    if isinstance(one, list):
        each = [measure_agreement(task, *pair) for pair in zip(one, other, strict=True)]
        return sum(each) / len(each)
    return _MEASURES[task](one, other)


def is_right(answer: Answer, expected: Answer) -> bool:
    """Say whether the answer has all that is expected; a list stands for one of several."""
    return all(
        answer.get(field) in (value if isinstance(value, list) else [value])
        for field, value in expected.items()
    )


def _same(field: str) -> Callable[[Answer, Answer], float]:
    return lambda one, other: float(bool(one[field] == other[field]))


def _same_gaps(one: Answer, other: Answer) -> float:
    pairs = list(zip(one["masks"], other["masks"], strict=True))
    same = [bool(first[0]["token"] == second[0]["token"]) for first, second in pairs]
    return sum(same) / len(same)


def _cosine(one: Answer, other: Answer) -> float:
    first, second = ([float(x) for x in answer["embedding"]] for answer in (one, other))
    product = sum(a * b for a, b in zip(first, second, strict=True))
    length = math.hypot(*first) * math.hypot(*second)
    return max(product / length, 0.0) if length else float(first == second)


def _same_order(one: Answer, other: Answer) -> float:
    """Share of pairs of the first answer's documents that the second has in the same order."""
    first, second = ([ranked["index"] for ranked in answer["results"]] for answer in (one, other))
    place = {index: rank for rank, index in enumerate(second)}
    # With top_n the second answer may have others.
    last = len(second)
    pairs = [(a, b) for i, a in enumerate(first) for b in first[i + 1 :]]
    if not pairs:
        return float(first == second)
    return sum(place.get(a, last) < place.get(b, last) for a, b in pairs) / len(pairs)


def _similar_texts(one: Answer, other: Answer) -> float:
    """Share of words that both have, in the same order."""
    first, second = (str(answer["text"]).split() for answer in (one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def _overlap(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Twice what they have in common, by all that they have (Dice)."""
    common = (Counter(first) & Counter(second)).total()
    total = len(first) + len(second)
    return 2 * common / total if total else 1.0


def _same_entities(one: Answer, other: Answer) -> float:
    first, second = (
        [(found["entity_group"], found["start"], found["end"]) for found in answer["entities"]]
        for answer in (one, other)
    )
    return _overlap(first, second)


def _same_objects(one: Answer, other: Answer) -> float:
    first, second = ([found["label"] for found in answer["objects"]] for answer in (one, other))
    return _overlap(first, second)


_MEASURES: Mapping[Task, Callable[[Answer, Answer], float]] = {
    Task.EMBEDDINGS: _cosine,
    Task.RERANK: _same_order,
    Task.FILL_MASK: _same_gaps,
    Task.TEXT_CLASSIFICATION: _same("label"),
    Task.IMAGE_CLASSIFICATION: _same("label"),
    Task.ZERO_SHOT_CLASSIFICATION: _same("label"),
    Task.TOKEN_CLASSIFICATION: _same_entities,
    Task.QUESTION_ANSWERING: _same("answer"),
    Task.SUMMARIZATION: _similar_texts,
    Task.TRANSLATION: _similar_texts,
    Task.AUTOMATIC_SPEECH_RECOGNITION: _similar_texts,
    Task.OBJECT_DETECTION: _same_objects,
}
