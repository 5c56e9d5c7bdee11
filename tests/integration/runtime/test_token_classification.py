"""Entities are those of transformers' own pipeline, whatever else is in the batch."""

import asyncio

import pytest
from transformers import pipeline

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.tasks.token_classification import TextToTag
from tests.support.letter_tokenizer import write_letter_tokenizer
from tests.support.tiny_models import running, write_model

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "job-title", "job"]
TEXTS = [
    "Angela lives in Berlin.",
    "x",
    "Who is this example? 漢字 Zoë!  The   end.",
    "the quick brown fox jumps over the lazy dog, angela",
] * 4


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = write_model(
        tmp_path_factory.mktemp("ner"),
        "BertForTokenClassification",
        type_vocab_size=2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    return write_letter_tokenizer(folder)


async def test_a_crowd_is_answered_as_the_pipeline_answers_each_alone(bert):
    tag = pipeline("token-classification", str(bert), aggregation_strategy="simple", device="cpu")
    expected = [tag(text) for text in TEXTS]
    groups = {entity["entity_group"] for entities in expected for entity in entities}
    assert groups >= {"PER", "title"}
    async with running(bert) as engine:
        assert engine.info.task == "token-classification"
        (alone,) = await engine.run([TextToTag(TEXTS[2])])
        crowd = await asyncio.gather(*(engine.run([TextToTag(text)]) for text in TEXTS))
    for answer, entities in zip(
        [alone, *(one for (one,) in crowd)], [expected[2], *expected], strict=True
    ):
        assert [(e.group, e.word, e.start, e.end) for e in answer.entities] == [
            (e["entity_group"], e["word"], e["start"], e["end"]) for e in entities
        ]
        assert [e.score for e in answer.entities] == pytest.approx(
            [float(e["score"]) for e in entities], abs=1e-4
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "the text is empty", id="empty"),
        pytest.param(
            "the " * 300, "the text has 302 tokens; this model takes at most 256", id="too long"
        ),
    ],
)
async def test_a_text_that_cannot_be_read_is_refused(bert, text, message):
    async with running(bert) as engine:
        with pytest.raises(InvalidRequest, match=message) as caught:
            await engine.run([TextToTag(text)])
    assert caught.value.param == "text"
