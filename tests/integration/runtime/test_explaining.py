"""Attributions are captum's, alone and in a crowd."""

import asyncio
from base64 import b64encode

import hypothesis
import numpy as np
import pytest
import pytest_asyncio
import torch
from hypothesis import strategies as st

from modelyard_runtime.domain import TextInput
from modelyard_runtime.engine.base import Load
from modelyard_runtime.tasks.attribution import ToExplain
from modelyard_runtime.tasks.media import Picture
from tests.support.attribution_oracle import PictureOracle, TextOracle
from tests.support.media_files import save
from tests.support.picture_models import PICTURES, write_resnet, write_vit
from tests.support.runtime_server import build_client
from tests.support.text_models import write_bert, write_decoder
from tests.support.tiny_models import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSE = 1e-4
STEPS = (1, 5, 16)
TEXTS = ("t4 t17", "t5 t6 t7 t8 t9 t3", "t8: where is angela?", "t9", "berlin, t3 " * 5)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[(write_bert, "[MASK]"), (write_decoder, "t0")],
    ids=["encoder", "decoder"],
)
async def of_texts(request, tmp_path_factory):
    write, blank = request.param
    folder = write(tmp_path_factory.mktemp("texts"))
    async with running(folder) as engine:
        yield engine, TextOracle(folder, blank)


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[write_vit, write_resnet], ids=["vit", "resnet"]
)
async def of_pictures(request, tmp_path_factory):
    torch.manual_seed(7)
    folder = request.param(tmp_path_factory.mktemp("pictures"))
    async with running(folder) as engine:
        yield engine, PictureOracle(folder)


async def explain(engine, item, label, steps):
    (explained,) = await engine.run([ToExplain(item, label, steps)])
    return explained


def check(difference, expected, steps):
    assert (difference.label, difference.steps) == (expected.label, steps)
    assert difference.score == pytest.approx(expected.score, abs=CLOSE)
    assert difference.baseline_score == pytest.approx(expected.baseline_score, abs=CLOSE)
    assert difference.delta == pytest.approx(expected.delta, abs=CLOSE)


async def test_tokens_count_as_captum_says_alone_and_in_a_crowd(of_texts):
    engine, oracle = of_texts
    asked = [
        (text, oracle.labels[number % 3], STEPS[number % 4 % 3])
        for number, text in enumerate(TEXTS * 3)
    ]
    plain = [engine.run([TextInput(text)]) for text in TEXTS]
    crowd = [explain(engine, TextInput(text), *rest) for text, *rest in asked]
    scores, answers = await asyncio.gather(asyncio.gather(*plain), asyncio.gather(*crowd))
    alone = await explain(engine, TextInput(asked[4][0]), *asked[4][1:])
    for (text, label, steps), answer in zip([*asked, asked[4]], [*answers, alone], strict=True):
        expected = oracle.explain(text, label=label, steps=steps)
        check(answer.difference, expected, steps)
        found = [share.attribution for share in answer.shares]
        assert found == pytest.approx(expected.parts.tolist(), abs=CLOSE)
    # An answer's own score is what is explained.
    for text, (answer,) in zip(TEXTS, scores, strict=True):
        explained = next(one for (of, *_), one in zip(asked, answers, strict=True) if of == text)
        label = explained.difference.label
        assert explained.difference.score == pytest.approx(answer.scores[label], abs=CLOSE)
        assert explained.tokens == answer.tokens
    largest = {max(abs(share.attribution) for share in answer.shares) for answer in answers}
    assert max(largest) > 100 * CLOSE


def pool(parts, cells):
    """The sums of equal cells."""
    height, width = parts.shape
    size = (cells, height // cells, cells, width // cells)
    return parts.reshape(size).sum(dim=(1, 3)).numpy()


async def test_parts_of_a_picture_count_as_captum_says_alone_and_in_a_crowd(of_pictures):
    engine, oracle = of_pictures
    asked = [
        (number, oracle.labels[number % 5], STEPS[number % 3]) for number in range(len(PICTURES))
    ]
    files = [Picture(save(picture)) for picture in PICTURES]
    crowd = [explain(engine, files[number], *rest) for number, *rest in asked]
    others = [engine.run([file]) for file in files]
    answers, _ = await asyncio.gather(asyncio.gather(*crowd), asyncio.gather(*others))
    alone = await explain(engine, files[4], *asked[4][1:])
    for (number, label, steps), answer in zip([*asked, asked[4]], [*answers, alone], strict=True):
        expected = oracle.explain(PICTURES[number], label=label, steps=steps)
        check(answer.difference, expected, steps)
        np.testing.assert_allclose(answer.grid, pool(expected.parts, 8), atol=CLOSE)
    assert max(np.abs(answer.grid).max() for answer in answers) > 100 * CLOSE


async def test_a_picture_is_shown_as_the_model_sees_it(of_pictures):
    engine, oracle = of_pictures
    red = PICTURES[0].copy()
    red.paste((200, 30, 10), (0, 0, *red.size))
    answer = await explain(engine, Picture(save(red)), oracle.labels[0], 2)
    side = answer.seen.shape[0]
    assert (side, answer.seen.shape) in {(32, (32, 32, 3)), (48, (48, 48, 3))}
    assert (answer.seen == np.array([200, 30, 10], np.uint8)).all()


async def test_more_steps_are_more_exact(of_texts):
    engine, oracle = of_texts
    deltas = [
        abs((await explain(engine, TextInput(TEXTS[0]), oracle.labels[0], steps)).difference.delta)
        for steps in (1, 128)
    ]
    assert deltas[1] < deltas[0] / 2


WORDS = st.lists(st.sampled_from(["t3", "berlin", "is", "who", "t9,"]), min_size=1, max_size=12)
QUESTIONS = st.lists(
    st.tuples(WORDS.map(" ".join), st.sampled_from([0, 1, 3, 7])), min_size=2, max_size=12
)


@hypothesis.given(questions=QUESTIONS, leaver=st.integers(0, 11))
@hypothesis.settings(
    max_examples=15,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)
async def test_a_crowd_changes_no_explanation(of_texts, questions, leaver):
    """Steps 0 is a plain question."""
    engine, oracle = of_texts

    async def ask(text, steps):
        if steps:
            answer = await explain(engine, TextInput(text), oracle.labels[0], steps)
            return [share.attribution for share in answer.shares]
        (answer,) = await engine.run([TextInput(text)])
        return [answer.scores[label] for label in oracle.labels]

    asking = [asyncio.create_task(ask(*question)) for question in questions]
    await asyncio.sleep(0)
    gone = asking[leaver] if leaver < len(asking) else None
    if gone is not None:
        gone.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert engine.load == Load(0, 0)
    for question, answer in zip(questions, answers, strict=True):
        if not isinstance(answer, asyncio.CancelledError):
            assert answer == pytest.approx(await ask(*question), abs=CLOSE)


async def test_a_bad_question_is_refused_alone(of_texts):
    engine, oracle = of_texts
    label = oracle.labels[0]
    good = explain(engine, TextInput("t5 is"), label, 3)
    bad = [
        explain(engine, TextInput("t5 is"), "angry", 3),
        explain(engine, TextInput(""), label, 3),
        explain(engine, TextInput("is " * 300), label, 3),
    ]
    answer, *faults = await asyncio.gather(good, *bad, return_exceptions=True)
    assert [fault.param for fault in faults] == ["label", "text", "text"]
    assert "its labels are 'LABEL_0', 'LABEL_1', 'LABEL_2'" in faults[0].message
    assert len(answer.shares) > 1


async def test_over_http_a_text_and_a_page(of_texts):
    engine, _ = of_texts
    async with build_client(engine) as client:
        answer = await client.post("/explain", json={"text": "t5 is", "steps": 3})
        page = await client.post(
            "/explain", json={"text": "t5 is", "steps": 3}, headers={"accept": "text/html"}
        )
        best = await client.post("/predict", json={"text": "t5 is"})
    explained = answer.json()
    assert explained["label"] == best.json()["label"]
    assert explained["score"] == pytest.approx(best.json()["score"], abs=CLOSE)
    total = sum(token["attribution"] for token in explained["tokens"])
    assert explained["sum"] == pytest.approx(total)
    assert "</html>" in page.text


async def test_over_http_a_picture(of_pictures):
    engine, _ = of_pictures
    body = {"image": b64encode(save(PICTURES[0])).decode(), "steps": 3}
    async with build_client(engine) as client:
        answer = await client.post("/explain", json=body)
        page = await client.post("/explain", json=body, headers={"accept": "text/html"})
    assert np.sum(answer.json()["grid"]) == pytest.approx(answer.json()["sum"])
    assert page.text.count("data:image/png;base64,") == 2
