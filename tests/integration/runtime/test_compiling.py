"""A compiled model answers as before, and no request has to wait for the compiler."""

import pytest
import torch

from modelyard_api.v1alpha1 import Optimize
from modelyard_runtime.domain import TextInput
from tests.support.letter_tokenizer import VOCABULARY, write_letter_tokenizer
from tests.support.tiny_models import running, write_model

TEXTS = [TextInput("who is angela " * (1 + number % 5)) for number in range(16)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    settings = {"vocab_size": len(VOCABULARY), "num_labels": 3, "num_hidden_layers": 1}
    folder = tmp_path_factory.mktemp("bert")
    write_model(folder, "BertForSequenceClassification", **settings)
    return write_letter_tokenizer(folder)


def count_programs():
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


async def answer(engine):
    alone = [result for text in TEXTS for result in await engine.run([text])]
    together = await engine.run(TEXTS)
    return [dict(result.scores) for result in (*alone, *together)]


async def test_a_compiled_model_answers_as_before_and_is_compiled_when_it_starts(
    bert, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    async with running(bert) as engine:
        expected = await answer(engine)
    before = count_programs()
    async with running(bert, optimize=Optimize(compile=True, min_agreement=1.0)) as engine:
        compiled = count_programs()
        assert compiled > before
        answers = await answer(engine)
        assert engine.info.optimization.steps == "compile"
        assert engine.unexplained == ""
    assert count_programs() == compiled
    assert list(tmp_path.iterdir())
    for one, other in zip(answers, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
