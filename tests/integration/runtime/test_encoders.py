"""Vectors and labels are those of a plain computation, whatever else is in the batch."""

import asyncio
import json

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    XLNetConfig,
    XLNetForSequenceClassification,
)

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.errors import CannotStart, InvalidRequest
from tests.support.tiny_models import (
    SMALL,
    VOCABULARY,
    edit_json,
    running,
    write_model,
    write_tokenizer,
)

SENTENCES = [
    "A cat sits on the mat.",
    "No.",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "one two three four five six seven eight nine ten " * 8,
    "🎉 emoji and 漢字",
    "A kitten rests on a rug.",
] * 12


def embed_alone(folder, text, *, pool, normalise):
    """sentence-transformers' arithmetic, one text at a time."""
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
    vector = pool(states)
    return (vector / vector.norm() if normalise else vector).numpy()


async def test_vectors_of_minilm_are_those_of_a_plain_computation(minilm):
    async with running(minilm) as engine:
        assert (engine.info.task, engine.info.context_tokens) == (Task.EMBEDDINGS, 256)
        (alone,) = await engine.run([TextInput(SENTENCES[2])])
        parts = await asyncio.gather(
            engine.run([TextInput(text) for text in SENTENCES[16:]]),
            *(engine.run([TextInput(text)]) for text in SENTENCES[:16]),
        )
    crowd = [answer for part in (*parts[1:], parts[0]) for answer in part]
    assert len(crowd) == len(SENTENCES)
    for text, answer in zip([SENTENCES[2], *SENTENCES], [alone, *crowd], strict=True):
        expected = embed_alone(minilm, text, pool=lambda s: s.mean(dim=0), normalise=True)
        assert answer.vector.dtype == np.float32
        np.testing.assert_allclose(answer.vector, expected, atol=1e-5)


async def test_like_sentences_have_like_vectors(minilm):
    texts = [SENTENCES[0], SENTENCES[5], "The stock market fell sharply today."]
    async with running(minilm) as engine:
        cat, kitten, market = [r.vector for r in await engine.run([TextInput(t) for t in texts])]
    assert cat @ kitten > 0.5
    assert cat @ market < 0.2


async def test_token_ids_are_embedded_as_they_are(minilm):
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    ids = tuple(tokenizer(SENTENCES[0])["input_ids"])
    async with running(minilm) as engine:
        as_text, as_ids = await engine.run([TextInput(SENTENCES[0]), TextInput(ids)])
    assert as_ids.tokens == as_text.tokens == len(ids)
    np.testing.assert_allclose(as_ids.vector, as_text.vector, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "input 1: the text is empty", id="empty text"),
        pytest.param((), "input 1: the text is empty", id="no tokens"),
        pytest.param(
            "cat " * 300,
            "input 1: the text has 302 tokens; this model takes at most 256",
            id="long",
        ),
        pytest.param(
            (5, 99_999), "input 1: 99999 is not a token of this model", id="unknown token"
        ),
    ],
)
async def test_inputs_that_cannot_be_served_are_refused(minilm, content, message):
    async with running(minilm) as engine:
        with pytest.raises(InvalidRequest, match=message):
            await engine.run([TextInput("fine"), TextInput(content)])


POOLS = {
    "a plain encoder: mean, unit length": ({}, None, lambda s: s.mean(dim=0), True),
    "first token": ({"pooling_mode_cls_token": True}, False, lambda s: s[0], False),
    "last token, unit length": ({"pooling_mode_lasttoken": True}, True, lambda s: s[-1], True),
    "largest": ({"pooling_mode_max_tokens": True}, False, lambda s: s.max(dim=0).values, False),
    "the newer way to write it": ({"pooling_mode": "mean"}, True, lambda s: s.mean(dim=0), True),
}


def add_modules(folder, pooling, normalise):
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": "1_Pooling" if number == 1 else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    (folder / "1_Pooling").mkdir()
    (folder / "modules.json").write_text("[]")
    (folder / "1_Pooling" / "config.json").write_text("{}")
    edit_json(folder / "1_Pooling" / "config.json", **pooling)
    (folder / "modules.json").write_text(str(modules).replace("'", '"'))


@pytest.mark.parametrize("case", POOLS)
async def test_vectors_are_pooled_as_the_model_says(case, tmp_path):
    pooling, normalise, pool, is_unit = POOLS[case]
    folder = write_model(tmp_path, "BertModel", type_vocab_size=2)
    if pooling:
        add_modules(folder, pooling, normalise)
    texts = ["t5 t6 t7", "t9", "t3 t4 t5 t6 t7 t8"]
    async with running(folder) as engine:
        answers = await engine.run([TextInput(text) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        expected = embed_alone(folder, text, pool=pool, normalise=is_unit)
        np.testing.assert_allclose(answer.vector, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        pytest.param(
            {"pooling_mode_weightedmean_tokens": True}, "pools by weightedmean", id="mode"
        ),
        pytest.param(
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pools by cls and mean",
            id="two modes at once",
        ),
    ],
)
async def test_other_ways_of_pooling_are_refused(pooling, message, tmp_path):
    folder = write_model(tmp_path, "BertModel", type_vocab_size=2)
    add_modules(folder, pooling, normalise=True)
    with pytest.raises(CannotStart, match=message) as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED


PROMPTS = "config_sentence_transformers.json"
WORDINGS = {
    "the default prompt stands before it": (
        {PROMPTS: {"prompts": {"query": "t7 ", "none": ""}, "default_prompt_name": "query"}},
        "t7 t5 t6",
    ),
    "prompts that nobody has asked for do not": (
        {PROMPTS: {"prompts": {"query": "t7 "}, "default_prompt_name": None}},
        "t5 t6",
    ),
    "in lower case, with its prompt": (
        {
            PROMPTS: {"prompts": {"query": "T7 "}, "default_prompt_name": "query"},
            "sentence_bert_config.json": {"do_lower_case": True},
        },
        "t7 t5 t6",
    ),
}


@pytest.mark.parametrize("case", WORDINGS)
async def test_texts_are_worded_as_the_model_says(case, tmp_path):
    documents, worded = WORDINGS[case]
    folder = write_model(tmp_path, "BertModel", type_vocab_size=2)
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    is_lower = "sentence_bert_config.json" in documents
    async with running(folder) as engine:
        (answer,) = await engine.run([TextInput("T5 t6" if is_lower else "t5 t6")])
    expected = embed_alone(folder, worded, pool=lambda s: s.mean(dim=0), normalise=True)
    np.testing.assert_allclose(answer.vector, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("prompts", "pooling", "message"),
    [
        pytest.param({}, {}, "has no prompt 'query'", id="a default prompt that is missing"),
        pytest.param(
            {"query": "t7 "},
            {"pooling_mode": "mean", "include_prompt": False},
            "leaves its prompt out",
            id="a prompt that is not to count",
        ),
    ],
)
async def test_prompts_that_cannot_be_followed_are_refused(prompts, pooling, message, tmp_path):
    folder = write_model(tmp_path, "BertModel", type_vocab_size=2)
    document = {"prompts": prompts, "default_prompt_name": "query"}
    (folder / PROMPTS).write_text(json.dumps(document))
    if pooling:
        add_modules(folder, pooling, normalise=True)
    with pytest.raises(CannotStart, match=message) as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED


async def test_labels_of_the_sentiment_example(sentiment):
    texts = ["I love this, it is wonderful.", "Terrible, I want my money back.", "Great!"]
    texts += [text * number for number in range(1, 6) for text in ("No. ", "Fine. ", "Hm? ")][2:]
    model = AutoModelForSequenceClassification.from_pretrained(sentiment)
    tokenizer = AutoTokenizer.from_pretrained(sentiment)
    async with running(sentiment) as engine:
        assert engine.info.task is Task.TEXT_CLASSIFICATION
        alone = await engine.run([TextInput(texts[0])])
        crowd = await asyncio.gather(*(engine.run([TextInput(text)]) for text in texts))
    assert len(crowd) == 16
    answers = [answer for (answer,) in crowd]
    best = [next(iter(answer.scores)) for answer in answers]
    assert best[:3] == ["positive", "negative", "positive"]
    assert alone[0].scores == pytest.approx(answers[0].scores, abs=1e-5)
    for text, answer in zip(texts, answers, strict=True):
        with torch.inference_mode():
            chances = model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(dim=-1)
        expected = {model.config.id2label[i]: chance for i, chance in enumerate(chances.tolist())}
        assert answer.scores == pytest.approx(expected, abs=1e-5)


SCORES = {
    "alternatives add up to one": ({"num_labels": 3}, lambda s: sum(s) == pytest.approx(1)),
    "independent labels do not": (
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        lambda s: all(0 < score < 1 for score in s) and sum(s) != pytest.approx(1),
    ),
    "one label is yes or no": ({"num_labels": 1}, lambda s: 0 < s[0] < 1),
}


@pytest.mark.parametrize("case", SCORES)
@pytest.mark.parametrize(
    "model_class", ["BertForSequenceClassification", "LlamaForSequenceClassification"]
)
async def test_scores_follow_the_kind_of_labels(case, model_class, tmp_path):
    settings, is_right = SCORES[case]
    folder = write_model(tmp_path, model_class, **settings)
    async with running(folder) as engine:
        long, short = await engine.run([TextInput("t5 t6 t7 t8 t9"), TextInput("t5")])
        (again,) = await engine.run([TextInput("t5")])
    assert is_right(list(long.scores.values()))
    assert list(long.scores.values()) == sorted(long.scores.values(), reverse=True)
    assert short.scores == pytest.approx(again.scores, abs=1e-5)


async def test_inputs_reach_as_far_as_the_model_has_positions(tmp_path):
    folder = write_model(tmp_path, "RobertaModel", type_vocab_size=1)
    async with running(folder) as engine:
        longest = SMALL["max_position_embeddings"] - 1
        assert engine.info.context_tokens == longest
        (answer,) = await engine.run([TextInput((5,) * longest)])
    assert np.isfinite(answer.vector).all()


def check_scores(model, items, answers):
    """Hold answers to tokens against the model's own, one by one."""
    for item, answer in zip(items, answers, strict=True):
        with torch.inference_mode():
            chances = model(input_ids=torch.tensor([item.content])).logits[0].softmax(dim=-1)
        expected = {model.config.id2label[i]: chance for i, chance in enumerate(chances.tolist())}
        assert answer.scores == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "model_class", ["FNetForSequenceClassification", "ConvBertForSequenceClassification"]
)
async def test_a_model_that_sees_the_padding_answers_in_a_crowd_as_alone(model_class, tmp_path):
    folder = write_model(tmp_path, model_class, num_labels=3, type_vocab_size=2, embedding_size=64)
    items = [TextInput(tuple(range(5, 5 + count))) for count in (3, 9, 3, 40, 1)]
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    async with running(folder, task="text-classification") as engine:
        answers = await engine.run(items)
    check_scores(model, items, answers)


async def test_positions_that_are_counted_from_behind_the_padding_are_fewer(tmp_path):
    folder = write_model(tmp_path, "Data2VecTextForSequenceClassification", num_labels=2)
    async with running(folder) as engine:
        assert engine.info.context_tokens == SMALL["max_position_embeddings"] - 1
        (answer,) = await engine.run([TextInput((5,) * 255)])
    assert sum(answer.scores.values()) == pytest.approx(1)


async def test_a_model_without_a_last_position_takes_long_texts(tmp_path):
    sizes = {"d_model": 64, "n_layer": 2, "n_head": 4, "d_inner": 96}
    model = XLNetForSequenceClassification(XLNetConfig(vocab_size=VOCABULARY, **sizes)).eval()
    model.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    texts = [(5, 6, 7), (8,) * 300]
    async with running(tmp_path) as engine:
        answers = await engine.run([TextInput(text) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        with torch.inference_mode():
            expected = model(input_ids=torch.tensor([text])).logits[0].softmax(dim=-1).tolist()
        assert sorted(answer.scores.values()) == pytest.approx(sorted(expected), abs=1e-4)


async def test_a_decoder_without_padding_token_reads_texts_to_their_end(tmp_path):
    folder = write_model(
        tmp_path, "GPT2ForSequenceClassification", num_labels=3, pad_token_id=None, n_positions=256
    )
    edit_json(folder / "tokenizer_config.json", pad_token=None)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    # Token 0 is a word as any other; so is each that could be used as padding.
    items = [TextInput((5, 6, 7, 8, 0)), TextInput((5, 9)), TextInput((4, 0, 0, 0))]
    async with running(folder) as engine:
        answers = await engine.run(items)
    check_scores(model, items, answers)


async def test_padding_that_is_no_token_of_the_model_is_never_given_to_it(tmp_path):
    folder = write_model(tmp_path, "BertForSequenceClassification", num_labels=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    async with running(folder) as engine:
        answers = await engine.run([TextInput("t5 t6 t7"), TextInput("t5")])
        (alone,) = await engine.run([TextInput("t5")])
        with pytest.raises(InvalidRequest, match="200 is not a token of this model"):
            await engine.run([TextInput("t5 [PAD]")])
    assert answers[1].scores == pytest.approx(alone.scores, abs=1e-5)
