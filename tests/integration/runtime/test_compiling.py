"""A compiled model answers as before, and no request has to wait for the compiler."""

import pytest
import torch
import transformers

from modelyard_api.v1alpha1 import Optimize
from modelyard_runtime.domain import TextInput
from modelyard_runtime.loading.calls import Call
from modelyard_runtime.loading.compiling import list_forms
from tests.support.letter_tokenizer import VOCABULARY, write_letter_tokenizer
from tests.support.tiny_models import SMALL, running, write_model

TEXTS = [TextInput("who is angela " * (1 + number % 5)) for number in range(16)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    settings = {"vocab_size": len(VOCABULARY), "num_labels": 3, "num_hidden_layers": 1}
    folder = tmp_path_factory.mktemp("bert")
    write_model(folder, "BertForSequenceClassification", **settings)
    return write_letter_tokenizer(folder)


def make_classifier(kind):
    """A tiny classifier, and a call of it with two texts that end alike."""
    torch.manual_seed(1)
    cls = getattr(transformers, f"{kind}ForSequenceClassification")
    model = cls(cls.config_class(**SMALL, d_model=16, encoder_layers=1, decoder_layers=1)).eval()
    ids = torch.tensor([[2, 5, 6, 1], [2, 7, 8, 1]])
    return model, Call({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, {})


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        pytest.param("Bert", [(2, 4), (2, 1), (1, 4), (1, 1)], id="any text"),
        pytest.param("Bart", [(2, 4), (1, 4)], id="texts with an end token only"),
    ],
)
def test_what_a_model_takes_is_compiled(kind, shapes):
    model, call = make_classifier(kind)
    with torch.inference_mode():
        forms = list_forms(model, call)
    assert [tuple(form["input_ids"].shape) for form in forms] == shapes


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
