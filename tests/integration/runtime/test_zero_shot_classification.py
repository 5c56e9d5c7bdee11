"""Labels are ranked as by transformers' own pipeline, whatever else is in the batch."""

import asyncio

import pytest
from transformers import pipeline

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.tasks.zero_shot_classification import TextToLabel
from tests.support.letter_tokenizer import write_letter_tokenizer
from tests.support.tiny_models import running, write_model

TASK = "zero-shot-classification"
ITEMS = [
    TextToLabel("the fox lives in Berlin", ("sports", "politics", "a fox")),
    TextToLabel("who is it?", ("question", "answer"), multi_label=True),
    TextToLabel("x", ("only one",)),
    TextToLabel("Angela. " * 15, ("short", "long", "in between", "?"), "It is {}!"),
] * 4
KINDS = {
    "entailment last": ["contradiction", "neutral", "entailment"],
    "entailment first": ["ENTAILMENT", "neutral", "contradiction"],
    "two labels": ["not_entailment", "entailment"],
}


def write_nli(folder, labels):
    write_model(
        folder,
        "BertForSequenceClassification",
        type_vocab_size=2,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    return write_letter_tokenizer(folder)


@pytest.fixture(scope="module")
def nli(tmp_path_factory):
    return write_nli(tmp_path_factory.mktemp("nli"), KINDS["entailment last"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crowd_is_answered_as_the_pipeline_answers_each_alone(kind, tmp_path):
    folder = write_nli(tmp_path, KINDS[kind])
    classify = pipeline(TASK, str(folder), device="cpu")
    expected = [
        classify(
            item.text,
            candidate_labels=list(item.labels),
            hypothesis_template=item.template,
            multi_label=item.multi_label,
        )
        for item in ITEMS
    ]
    async with running(folder, task=TASK) as engine:
        (alone,) = await engine.run([ITEMS[0]])
        crowd = await asyncio.gather(*(engine.run([item]) for item in ITEMS))
    for answer, wanted in zip(
        [alone, *(one for (one,) in crowd)], [expected[0], *expected], strict=True
    ):
        assert [label for label, _ in answer.labels] == wanted["labels"]
        assert [score for _, score in answer.labels] == pytest.approx(wanted["scores"], abs=1e-4)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        pytest.param(TextToLabel("", ("a", "b")), "the text is empty", id="empty"),
        pytest.param(
            TextToLabel("the " * 300, ("a", "b")),
            "the pair of texts has 308 tokens; this model takes at most 256",
            id="too long",
        ),
    ],
)
async def test_a_text_that_cannot_be_read_is_refused(nli, item, message):
    async with running(nli, task=TASK) as engine:
        with pytest.raises(InvalidRequest, match=message) as caught:
            await engine.run([item])
    assert caught.value.param == "text"


async def test_it_is_served_only_when_asked_for(nli):
    async with running(nli) as engine:
        assert engine.info.task == "text-classification"


async def test_a_classifier_of_another_kind_is_refused_at_start(tmp_path):
    folder = write_nli(tmp_path, ["negative", "positive"])
    with pytest.raises(CannotStart, match="labels are negative, positive; zero-shot") as caught:
        async with running(folder, task=TASK):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED
