"""Answers are those of a plain computation of what transformers 4's pipeline defined.

(transformers 4, pipelines/question_answering.py: windows of 384 tokens that overlap by 128, chances
over the context and the first token, the greatest product of both, whole words.)
"""

import asyncio
import random

import numpy as np
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.tasks.question_answering import Question
from tests.support.letter_tokenizer import write_letter_tokenizer
from tests.support.tiny_models import running, write_model

WINDOW = 384
OVERLAP = 128
SHORT = "Angela is in Berlin. The 漢字 example is in the Zoë-house."
WORDS = ["angela", "berlin", "the", "in", "is", "fox", "quick,", "brown.", "Zoë", "who?"]


def make_context(seed, words):
    choose = random.Random(seed)  # noqa: S311 - test data, the same each time
    return " ".join(choose.choice(WORDS) for _ in range(words))


QUESTIONS = [
    Question("Who is in Berlin?", SHORT),
    Question("Where?", SHORT, 1),
    Question("Where is the fox?", make_context(1, 20)),
    Question("Where is the fox?", make_context(2, 400)),
    Question("who", make_context(3, 900), 100),
    Question("the", "x"),
    Question("Where does the fox live?", make_context(4, 300), 5),
    Question("is it in?", make_context(5, 120)),
] * 2


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = write_model(
        tmp_path_factory.mktemp("qa"),
        "BertForQuestionAnswering",
        type_vocab_size=2,
        max_position_embeddings=512,
    )
    return write_letter_tokenizer(folder)


def answer_alone(model, tokenizer, item):
    """One window at a time; every pair of tokens is looked at."""
    encoded = tokenizer(
        item.question,
        item.context,
        truncation="only_second",
        max_length=WINDOW,
        stride=OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    best = (-1.0, 0, 0)
    for number, ids in enumerate(encoded["input_ids"]):
        with torch.inference_mode():
            types = encoded["token_type_ids"][number]
            output = model(torch.tensor([ids]), token_type_ids=torch.tensor([types]))
        inside = [part == 1 for part in encoded.sequence_ids(number)]
        kept = torch.tensor([True, *inside[1:]])
        firsts, lasts = (
            torch.where(kept, logits[0], -10000.0).softmax(dim=-1).tolist()
            for logits in (output.start_logits, output.end_logits)
        )
        for i in range(1, len(ids)):
            for j in range(i, min(i + item.max_answer_tokens, len(ids))):
                if inside[i] and inside[j] and firsts[i] * lasts[j] > best[0]:
                    first = encoded.word_to_chars(number, encoded.token_to_word(number, i), 1)
                    last = encoded.word_to_chars(number, encoded.token_to_word(number, j), 1)
                    best = (firsts[i] * lasts[j], first.start, last.end)
    return best, len(encoded["input_ids"])


async def test_a_crowd_with_long_contexts_is_answered_as_each_alone(bert):
    model = AutoModelForQuestionAnswering.from_pretrained(bert)
    tokenizer = AutoTokenizer.from_pretrained(bert)
    expected = [answer_alone(model, tokenizer, item) for item in QUESTIONS]
    assert [windows for _, windows in expected[:6]] == [1, 1, 1, 4, 9, 1]
    async with running(bert) as engine:
        assert engine.info.task == "question-answering"
        (alone,) = await engine.run([QUESTIONS[3]])
        crowd = await asyncio.gather(*(engine.run([item]) for item in QUESTIONS))
    answers = [alone, *(one for (one,) in crowd)]
    wanted = [expected[3], *expected]
    for item, answer, ((score, start, end), _) in zip(
        [QUESTIONS[3], *QUESTIONS], answers, wanted, strict=True
    ):
        assert (answer.start, answer.end) == (start, end)
        assert answer.answer == item.context[start:end]
        assert answer.score == pytest.approx(score, abs=1e-4)


async def test_answers_are_never_mixed_up(bert):
    """Requests of one and of many windows come and go at random; some clients leave."""
    choose = random.Random(11)  # noqa: S311 - test data
    items = [
        Question(
            choose.choice(["who", "where is", "in?"]), make_context(seed, choose.randint(1, 150))
        )
        for seed in range(40)
    ]
    async with running(bert) as engine:
        expected = [(await engine.run([item]))[0] for item in items]

        async def ask(number):
            await asyncio.sleep(choose.random() / 5)
            chosen = [choose.randrange(len(items)) for _ in range(choose.randint(1, 3))]
            work = asyncio.ensure_future(engine.run([items[one] for one in chosen]))
            if number % 7 == 0:
                await asyncio.sleep(choose.random() / 50)
                work.cancel()
            try:
                return list(zip(chosen, await work, strict=True))
            except asyncio.CancelledError:
                return []

        answers = await asyncio.gather(*(ask(number) for number in range(60)))
    pairs = [pair for answer in answers for pair in answer]
    assert len(pairs) > 60
    for number, answer in pairs:
        wanted = expected[number]
        assert (answer.answer, answer.start, answer.end) == (
            wanted.answer,
            wanted.start,
            wanted.end,
        )
        np.testing.assert_allclose(answer.score, wanted.score, atol=1e-4)


@pytest.mark.parametrize(
    ("item", "field", "message"),
    [
        pytest.param(Question("", "x"), "question", "the question is empty", id="no question"),
        pytest.param(Question("  ", "x"), "question", "the question is empty", id="blank question"),
        pytest.param(Question("x", ""), "context", "the context is empty", id="no context"),
        pytest.param(Question("x", " \n"), "context", "the context is empty", id="blank context"),
        pytest.param(
            Question("the " * 286, "x"),
            "question",
            "the question has 286 tokens; this model takes at most 285",
            id="long question",
        ),
        pytest.param(
            Question("x", "the " * 80_000),
            "context",
            "the context is 317 windows of 384 tokens long; at most 256 are read",
            id="long context",
        ),
    ],
)
async def test_what_cannot_be_read_is_refused(bert, item, field, message):
    async with running(bert) as engine:
        with pytest.raises(InvalidRequest, match=message) as caught:
            await engine.run([item])
    assert caught.value.param == field


async def test_the_longest_question_is_answered_within_the_context(bert):
    async with running(bert) as engine:
        (answer,) = await engine.run([Question("the " * 285, SHORT * 20)])
    assert answer.answer == (SHORT * 20)[answer.start : answer.end] != ""
