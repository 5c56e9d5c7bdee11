"""Translations and summaries are those of `generate`, whatever else is in the batch."""

import asyncio
import random
import shutil

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, NllbTokenizer

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.seq2seq import Deadline
from modelyard_runtime.errors import CannotStart, EngineFailure, InvalidRequest
from modelyard_runtime.tasks.summarization import TextToSummarise
from modelyard_runtime.tasks.translation import TextToTranslate
from tests.support.tiny_models import VOCABULARY, edit_json, running, write_model

LAYERS = {
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "init_std": 0.3,
    "forced_eos_token_id": 1,
}
SETTINGS = {
    "T5ForConditionalGeneration": {
        "num_decoder_layers": 3,
        "d_kv": 16,
        "d_ff": 96,
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
    },
    "BartForConditionalGeneration": {**LAYERS, "decoder_start_token_id": 1},
    "MarianMTModel": {**LAYERS, "decoder_start_token_id": 0, "decoder_vocab_size": VOCABULARY},
    "M2M100ForConditionalGeneration": {**LAYERS, "decoder_start_token_id": 2, "eos_token_id": 2},
}
#: Without them, tiny models say the same word again and again.
VARIED = {"no_repeat_ngram_size": 1}
BEAMS = {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True, **VARIED}
choose = random.Random(5)  # noqa: S311 - test data, the same each time
TEXTS = [
    " ".join(f"t{choose.randrange(3, 190)}" for _ in range(choose.randint(1, 40)))
    for _ in range(16)
]


def write_seq2seq(folder, model_class, *, generation=None, **settings):
    write_model(folder, model_class, **SETTINGS[model_class], **settings)
    edit_json(folder / "generation_config.json", **(generation or VARIED))
    return folder


def generate_alone(folder, texts, *, prefix="", **settings):
    """The text and the number of tokens of each, the start left out."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    made = []
    for text in texts:
        inputs = tokenizer(prefix + text, return_tensors="pt")
        with torch.inference_mode():
            (tokens,) = model.generate(**inputs, **settings)
        made.append((tokenizer.decode(tokens, skip_special_tokens=True), len(tokens) - 1))
    return made


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    return write_seq2seq(
        tmp_path_factory.mktemp("t5"),
        "T5ForConditionalGeneration",
        n_positions=128,
        task_specific_params={
            "summarization": {
                "prefix": "t9 t10 ",
                "num_beams": 3,
                "length_penalty": 2.0,
                "early_stopping": True,
                "max_length": 12,
                "min_length": 4,
            },
            "translation_en_to_fr": {"prefix": "t30 t31 ", "num_beams": 1, "max_length": 10},
            "translation_en_to_de": {"prefix": "t40 t41 ", "num_beams": 1, "max_length": 10},
        },
    )


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    return write_seq2seq(tmp_path_factory.mktemp("marian"), "MarianMTModel")


async def crowd_of(engine, items):
    answers = await asyncio.gather(*(engine.run([item]) for item in items))
    return [(answer.text, answer.completion_tokens) for (answer,) in answers]


@pytest.mark.parametrize(
    ("model_class", "generation"),
    [
        pytest.param("BartForConditionalGeneration", VARIED, id="BART, greedy"),
        pytest.param("BartForConditionalGeneration", BEAMS, id="BART, beams"),
        pytest.param("T5ForConditionalGeneration", BEAMS, id="T5, beams"),
        pytest.param(
            "T5ForConditionalGeneration",
            {**VARIED, "do_sample": True, "temperature": 9.0},
            id="T5, whose own settings leave it to chance",
        ),
    ],
)
async def test_a_crowd_is_summarised_as_each_alone(model_class, generation, tmp_path):
    folder = write_seq2seq(tmp_path, model_class, generation=generation)
    expected = generate_alone(folder, TEXTS, max_new_tokens=12, do_sample=False)
    assert len({text for text, _ in expected}) > 8
    async with running(folder) as engine:
        assert engine.info.task == "summarization"
        items = [TextToSummarise(text, 12) for text in TEXTS]
        assert [await crowd_of(engine, [items[0]]), await crowd_of(engine, items)] == [
            expected[:1],
            expected,
        ]


async def test_requests_for_different_lengths_do_not_change_each_other(tmp_path):
    own = {**VARIED, "max_new_tokens": 11}
    folder = write_seq2seq(tmp_path, "MarianMTModel", generation=own)
    lengths = [3, 7, None, 7] * 4
    expected = [
        generate_alone(folder, [text], max_new_tokens=length or 11)[0]
        for text, length in zip(TEXTS, lengths, strict=True)
    ]
    items = [
        TextToTranslate(text, max_tokens=length)
        for text, length in zip(TEXTS, lengths, strict=True)
    ]
    async with running(folder) as engine:
        assert engine.info.task == "translation"
        assert await crowd_of(engine, items) == expected


async def test_a_text_that_ends_at_once_beside_longer_ones(tmp_path):
    folder = write_seq2seq(tmp_path, "T5ForConditionalGeneration")
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
    first = model.generate(**inputs, max_new_tokens=1)[0, 1].item()
    edit_json(folder / "generation_config.json", eos_token_id=[1, first])
    expected = generate_alone(folder, TEXTS, max_new_tokens=6)
    assert (expected[0][1], max(tokens for _, tokens in expected)) == (1, 6)
    async with running(folder) as engine:
        assert await crowd_of(engine, [TextToSummarise(text, 6) for text in TEXTS]) == expected


async def test_t5_summarises_by_its_own_prefix_and_settings(t5):
    expected = generate_alone(
        t5,
        TEXTS,
        prefix="t9 t10 ",
        num_beams=3,
        length_penalty=2.0,
        early_stopping=True,
        max_length=12,
        min_length=4,
    )
    async with running(t5) as engine:
        assert await crowd_of(engine, [TextToSummarise(text) for text in TEXTS]) == expected
        (answer,) = await engine.run([TextToSummarise("t5 t6", 2)])
        assert (answer.tokens, answer.completion_tokens) == (5, 2)


async def test_t5_is_told_the_direction_by_its_prefix(t5):
    german = generate_alone(t5, TEXTS, prefix="t40 t41 ", max_length=10)
    french = generate_alone(t5, TEXTS, prefix="t30 t31 ", max_length=10)
    assert german != french
    async with running(t5, task="translation") as engine:
        made = await crowd_of(
            engine,
            [TextToTranslate(text, "en", target) for text in TEXTS for target in ("de", "fr")],
        )
    assert (made[::2], made[1::2]) == (german, french)


@pytest.fixture(scope="module")
def nllb(tmp_path_factory):
    folder = write_seq2seq(
        tmp_path_factory.mktemp("nllb"), "M2M100ForConditionalGeneration", vocab_size=60
    )
    words = ["<s>", "<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz.!?"]
    NllbTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        extra_special_tokens=["eng_Latn", "fra_Latn", "deu_Latn"],
    ).save_pretrained(folder)
    return folder


async def test_nllb_is_told_both_languages_by_tokens(nllb):
    directions = [("eng_Latn", "fra_Latn"), ("fra_Latn", "deu_Latn"), ("eng_Latn", "deu_Latn")]
    model = AutoModelForSeq2SeqLM.from_pretrained(nllb)
    expected, items = [], []
    for number in range(16):
        source, target = directions[number % 3]
        text = "how are you?"[: 3 + number % 9]
        tokenizer = AutoTokenizer.from_pretrained(nllb, src_lang=source)
        first = tokenizer.convert_tokens_to_ids(target)
        with torch.inference_mode():
            (tokens,) = model.generate(
                **tokenizer(text, return_tensors="pt"), forced_bos_token_id=first, max_new_tokens=9
            )
        expected.append((tokenizer.decode(tokens, skip_special_tokens=True), len(tokens) - 1))
        items.append(TextToTranslate(text, source, target, 9))
    assert len({text for text, _ in expected}) > 8
    async with running(nllb) as engine:
        assert engine.info.task == "translation"
        assert await crowd_of(engine, items) == expected


async def test_a_language_that_was_named_is_not_kept_for_the_next_text(nllb, tmp_path):
    folder = shutil.copytree(nllb, tmp_path / "one-pair")
    german = AutoTokenizer.from_pretrained(nllb).convert_tokens_to_ids("deu_Latn")
    edit_json(folder / "generation_config.json", forced_bos_token_id=german)
    async with running(folder) as engine:
        (before,) = await engine.run([TextToTranslate("how", max_tokens=5)])
        (other,) = await engine.run([TextToTranslate("how", "fra_Latn", "eng_Latn", 5)])
        (after,) = await engine.run([TextToTranslate("how", max_tokens=5)])
        (named,) = await engine.run([TextToTranslate("how", "eng_Latn", "deu_Latn", 5)])
    assert before == after == named != other


async def test_the_first_mbart_starts_from_the_target(nllb, tmp_path):
    folder = shutil.copytree(nllb, tmp_path / "mbart")
    tokenizer = AutoTokenizer.from_pretrained(folder, src_lang="fra_Latn")
    french, german = tokenizer.convert_tokens_to_ids(["fra_Latn", "deu_Latn"])
    edit_json(folder / "generation_config.json", decoder_start_token_id=french)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    with torch.inference_mode():
        (tokens,) = model.generate(
            **tokenizer("how", return_tensors="pt"), decoder_start_token_id=german, max_new_tokens=5
        )
    async with running(folder) as engine:
        (answer,) = await engine.run([TextToTranslate("how", "fra_Latn", "deu_Latn", 5)])
    assert answer.text == tokenizer.decode(tokens, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("item", "field", "message"),
    [
        pytest.param(TextToTranslate(" \n"), "text", "the text is empty", id="empty"),
        pytest.param(
            TextToTranslate("t5 " * 300),
            "text",
            "the text has 300 tokens; this model takes at most 256",
            id="too long",
        ),
        pytest.param(
            TextToTranslate("t5", max_tokens=256),
            "max_tokens",
            "max_tokens is 256; this model generates at most 255",
            id="too much",
        ),
        pytest.param(
            TextToTranslate("t5", target="fr"),
            "target",
            "this model translates in one direction only; leave out target",
            id="a language where there is no choice",
        ),
    ],
)
async def test_what_cannot_be_translated_is_refused(marian, item, field, message):
    async with running(marian) as engine:
        with pytest.raises(InvalidRequest, match=message) as caught:
            await engine.run([item])
    assert caught.value.param == field


async def test_settings_that_change_the_form_of_the_answer_have_no_effect(tmp_path):
    generation = {
        **BEAMS,
        "num_return_sequences": 3,
        "return_dict_in_generate": True,
        "output_scores": True,
        "max_time": 1e-9,
        "min_new_tokens": 9,
    }
    folder = write_seq2seq(tmp_path, "MarianMTModel", generation=generation)
    async with running(folder) as engine:
        (answer,) = await engine.run([TextToTranslate("t5 t6", max_tokens=4)])
    assert answer.completion_tokens == 4


async def test_more_beams_than_make_sense_are_refused_at_start(tmp_path):
    folder = write_seq2seq(tmp_path, "MarianMTModel", generation={"num_beams": 10**9})
    with pytest.raises(CannotStart, match="ask for 1000000000 beams; 1 to 16") as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED


def test_a_generation_that_takes_too_long_ends_by_a_fault(marian):
    model = AutoModelForSeq2SeqLM.from_pretrained(marian)
    tokens = torch.tensor([[5, 6]])
    patient = model.generate(tokens, max_new_tokens=3, stopping_criteria=[Deadline(100.0)])
    assert patient.shape == (1, 4)
    with pytest.raises(EngineFailure, match="did not finish within 0 s; ask for fewer max_tokens"):
        model.generate(tokens, max_new_tokens=3, stopping_criteria=[Deadline(0.0)])


async def test_a_prefix_counts_as_text(t5):
    async with running(t5) as engine:
        with pytest.raises(InvalidRequest, match="has 129 tokens; this model takes at most 128"):
            await engine.run([TextToSummarise("t5 " * 126)])
