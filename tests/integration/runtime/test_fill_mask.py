"""Candidates for masks are those of transformers' own pipeline."""

import asyncio

import pytest
from transformers import pipeline

from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.tasks.fill_mask import Gap
from tests.support.tiny_models import running, write_model, write_tokenizer

TEXTS = ["t5 [MASK] t7", "[MASK]", "t9 t10 t11 t12 [MASK] t3 t4", "t5 t6 [MASK]"] * 4


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = write_model(
        tmp_path_factory.mktemp("bert"), "BertForMaskedLM", type_vocab_size=2, vocab_size=201
    )
    write_tokenizer(folder, mask_token="[MASK]")
    return folder


async def test_a_crowd_is_answered_as_the_pipeline_answers_each_alone(bert):
    expected = [pipeline("fill-mask", str(bert), top_k=3, device="cpu")(text) for text in TEXTS]
    async with running(bert) as engine:
        assert engine.info.task == "fill-mask"
        alone = await engine.run([Gap(TEXTS[2], 3)])
        crowd = await asyncio.gather(*(engine.run([Gap(text, 3)]) for text in TEXTS))
    for (answer,), candidates in zip([alone, *crowd], [expected[2], *expected], strict=True):
        (gap,) = answer.gaps
        assert [(one.token, one.text) for one in gap] == [
            (one["token_str"].strip(), one["sequence"]) for one in candidates
        ]
        assert [one.score for one in gap] == pytest.approx(
            [one["score"] for one in candidates], abs=1e-4
        )


async def test_each_of_several_masks_has_its_candidates(bert):
    async with running(bert) as engine:
        (answer,) = await engine.run([Gap("t5 [MASK] t7 [MASK]", 2)])
    assert [len(gap) for gap in answer.gaps] == [2, 2]
    assert {one.text for gap in answer.gaps for one in gap} == {""}


async def test_a_text_without_a_mask_is_refused(bert):
    async with running(bert) as engine:
        with pytest.raises(
            InvalidRequest, match=r"the text has no \[MASK\], which marks"
        ) as caught:
            await engine.run([Gap("t5 t6")])
    assert caught.value.param == "text"


async def test_the_mask_may_be_the_first_of_all_tokens(tmp_path):
    folder = write_model(tmp_path, "BertForMaskedLM", type_vocab_size=2)
    write_tokenizer(folder, mask_token="t0")
    async with running(folder) as engine:
        (answer,) = await engine.run([Gap("t5 t0 t7", top_k=3)])
    expected = pipeline("fill-mask", str(folder), top_k=3, device="cpu")("t5 t0 t7")
    assert [one.score for one in answer.gaps[0]] == pytest.approx(
        [one["score"] for one in expected], abs=1e-4
    )


async def test_a_tokenizer_without_mask_is_refused_at_start(tmp_path):
    folder = write_model(tmp_path, "BertForMaskedLM", type_vocab_size=2)
    with pytest.raises(CannotStart, match="has no mask token"):
        async with running(folder):
            pass
