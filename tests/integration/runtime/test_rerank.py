"""Documents are scored as by transformers' pipeline for pairs, whatever else is in the batch."""

import asyncio
import random

import pytest
from transformers import pipeline

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.tasks.rerank import QueryDocuments
from tests.support.letter_tokenizer import write_letter_tokenizer
from tests.support.tiny_models import running, write_model

WORDS = ["angela", "berlin", "the", "in", "is", "fox", "quick,", "brown."]


def make_item(seed):
    choose = random.Random(seed)  # noqa: S311 - test data, the same each time
    documents = tuple(
        " ".join(choose.choices(WORDS, k=choose.randint(1, 25)))
        for _ in range(choose.randint(1, 12))
    )
    return QueryDocuments(" ".join(choose.choices(WORDS, k=choose.randint(1, 5))), documents)


ITEMS = [make_item(seed) for seed in range(16)]


def write_encoder(folder, **settings):
    write_model(folder, "BertForSequenceClassification", type_vocab_size=2, **settings)
    return write_letter_tokenizer(folder)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("cross-encoder"), num_labels=1)


async def test_a_crowd_is_scored_as_each_pair_alone(encoder):
    classify = pipeline("text-classification", str(encoder), device="cpu")
    expected = [
        [classify({"text": item.query, "text_pair": text})["score"] for text in item.documents]
        for item in ITEMS
    ]
    async with running(encoder, task="rerank") as engine:
        (alone,) = await engine.run([ITEMS[0]])
        crowd = await asyncio.gather(*(engine.run([item]) for item in ITEMS))
    assert alone.scores == pytest.approx(expected[0], abs=1e-4)
    for (answer,), scores in zip(crowd, expected, strict=True):
        assert answer.scores == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize(
    ("item", "field", "message"),
    [
        pytest.param(QueryDocuments("", ("a",)), "query", "the query is empty", id="no query"),
        pytest.param(
            QueryDocuments("a", ("a", "")),
            "documents[1]",
            "the document is empty",
            id="an empty document",
        ),
        pytest.param(
            QueryDocuments("a", ("a", "b", "the " * 300)),
            "documents[2]",
            "the pair of texts has 304 tokens; this model takes at most 256",
            id="a long document",
        ),
    ],
)
async def test_what_cannot_be_read_is_refused(encoder, item, field, message):
    async with running(encoder, task="rerank") as engine:
        with pytest.raises(InvalidRequest, match=message) as caught:
            await engine.run([item])
    assert caught.value.param == field


async def test_a_classifier_with_several_labels_is_refused_at_start(tmp_path):
    folder = write_encoder(tmp_path, num_labels=2)
    with pytest.raises(CannotStart, match=r"2 labels \(LABEL_0, LABEL_1\); rerank") as caught:
        async with running(folder, task="rerank"):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED
