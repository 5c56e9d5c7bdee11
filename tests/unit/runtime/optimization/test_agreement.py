"""How far two answers agree, by what a client acts on."""

import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.optimization.agreement import is_right, measure_agreement


def ranked(*indexes):
    return {"results": [{"index": index, "relevance_score": 0.5} for index in indexes]}


def entities(*spans):
    return {"entities": [{"entity_group": g, "start": s, "end": e} for g, s, e in spans]}


def masks(*tokens):
    return {"masks": [[{"token": token}, {"token": "other"}] for token in tokens]}


def objects(*labels):
    return {"objects": [{"label": label} for label in labels]}


CASES = [
    (Task.TEXT_CLASSIFICATION, {"label": "a", "score": 0.9}, {"label": "a", "score": 0.6}, 1.0),
    (Task.TEXT_CLASSIFICATION, {"label": "a"}, {"label": "b"}, 0.0),
    (Task.IMAGE_CLASSIFICATION, {"label": "a"}, {"label": "a"}, 1.0),
    (Task.ZERO_SHOT_CLASSIFICATION, {"label": "a"}, {"label": "b"}, 0.0),
    (Task.TEXT_CLASSIFICATION, [{"label": "a"}] * 4, [{"label": "a"}] * 3 + [{"label": "b"}], 0.75),
    (Task.FILL_MASK, masks("x", "y"), masks("x", "z"), 0.5),
    (Task.EMBEDDINGS, {"embedding": [3.0, 4.0]}, {"embedding": [4.0, 3.0]}, 0.96),
    (Task.EMBEDDINGS, {"embedding": [1.0, 0.0]}, {"embedding": [-1.0, 0.0]}, 0.0),
    (Task.EMBEDDINGS, {"embedding": [0.0, 0.0]}, {"embedding": [0.0, 0.0]}, 1.0),
    (Task.EMBEDDINGS, {"embedding": [0.0, 0.0]}, {"embedding": [1.0, 0.0]}, 0.0),
    (Task.RERANK, ranked(0, 1, 2), ranked(0, 2, 1), 2 / 3),
    (Task.RERANK, ranked(0, 1, 2), ranked(2, 1, 0), 0.0),
    (Task.RERANK, ranked(0), ranked(0), 1.0),
    (Task.RERANK, ranked(0), ranked(1), 0.0),
    (Task.RERANK, ranked(0, 1), ranked(0, 2), 1.0),
    (Task.RERANK, ranked(1, 0), ranked(2, 0), 0.0),
    (Task.TOKEN_CLASSIFICATION, entities(), entities(), 1.0),
    (Task.TOKEN_CLASSIFICATION, entities(("P", 0, 3)), entities(), 0.0),
    (
        Task.TOKEN_CLASSIFICATION,
        entities(("P", 0, 3), ("L", 5, 9)),
        entities(("P", 0, 3), ("P", 5, 9)),
        0.5,
    ),
    (Task.QUESTION_ANSWERING, {"answer": "Rome"}, {"answer": "Rome"}, 1.0),
    (Task.TRANSLATION, {"text": "the cat sits"}, {"text": "the dog sits"}, 2 / 3),
    (Task.SUMMARIZATION, {"text": ""}, {"text": ""}, 1.0),
    (Task.AUTOMATIC_SPEECH_RECOGNITION, {"text": "yes"}, {"text": "no"}, 0.0),
    (Task.OBJECT_DETECTION, objects("cat", "cat"), objects("cat"), 2 / 3),
]


@pytest.mark.parametrize(("task", "one", "other", "expected"), CASES)
def test_answers_agree_as_far_as_what_they_say_is_the_same(task, one, other, expected):
    assert measure_agreement(task, one, other) == pytest.approx(expected)
    assert measure_agreement(task, one, one) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ({"label": "a", "score": 0.5}, {"label": "a"}, True),
        ({"label": "a", "score": 0.5}, {"label": "b"}, False),
        ({"token": "dog"}, {"token": ["cat", "dog"]}, True),
        ({"token": "cow"}, {"token": ["cat", "dog"]}, False),
        ({"label": "a"}, {"label": "a", "other": 1}, False),
    ],
)
def test_an_answer_is_right_if_it_has_all_that_is_expected(answer, expected, right):
    assert is_right(answer, expected) is right
