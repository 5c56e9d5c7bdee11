"""Gradients of a loaded model: whether there are any, what they cost, who answers as before."""

import warnings
from itertools import chain

import pytest
import torch
import transformers
from torch import nn

from modelyard_api.v1alpha1 import DType, Format, Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.engine.backends.explaining import Explaining, add_explanations
from modelyard_runtime.engine.backends.gradients import Room
from modelyard_runtime.engine.backends.text_classification import TextClassifier
from modelyard_runtime.engine.backends.text_gradients import TextGradients
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.quantized_layers import DynamicInt8Linear
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.transformers_folder import load
from modelyard_runtime.loading.vetting import vet_folder
from modelyard_runtime.tasks.attribution import ToExplain
from tests.support.letter_tokenizer import VOCABULARY
from tests.support.text_models import write_bert
from tests.support.tiny_models import CAPACITY, SMALL, write_model

CLOSE = 1e-4


@pytest.fixture
def loaded(tmp_path):
    """A classifier as the loader returns it, which a test may change."""
    return load_folder(write_bert(tmp_path))


def load_folder(path):
    folder = vet_folder(path, form=Format.AUTO, entrypoint="")
    detected = detect(folder, Task.AUTO, Format.AUTO, "")
    return load(Wanted(folder, detected, DType.AUTO, CAPACITY.memory_bytes))


def explain_here(backend, text):
    asked = ToExplain(TextInput(text), "LABEL_0", 4)
    rows = backend.prepare(asked)
    return backend.finish(asked, rows, backend.compute(rows))


def test_a_model_that_is_compiled_answers_and_is_explained_as_before(loaded):
    backend, _ = add_explanations(TextClassifier(loaded), loaded, max_tokens=2048)
    plain = backend.compute(backend.prepare(TextInput("angela")))
    expected = explain_here(backend, "angela").shares
    passes = []

    def count(graph, _inputs):
        passes.append(1)
        return graph.forward

    loaded.model.bert.embeddings.compile(backend=count)
    backend, _ = add_explanations(TextClassifier(loaded), loaded, max_tokens=2048)
    assert explain_here(backend, "angela").shares == expected
    assert not passes
    for _ in range(2):
        assert backend.compute(backend.prepare(TextInput("angela"))) == [
            pytest.approx(plain[0], abs=CLOSE)
        ]
        assert explain_here(backend, "angela").shares == expected
    assert passes


class Rounding(nn.Module):
    """A layer of which nothing is learned."""

    @torch.no_grad()
    def forward(self, states):
        return torch.cat([states.round()] * 3, dim=-1)[..., : SMALL["intermediate_size"]]


def round_one(model):
    """What goes around the layer still has a gradient, which is a wrong one."""
    model.bert.encoder.layer[0].intermediate.dense = Rounding()


def quantise(model):
    """Each of these kinds lets some gradient through."""
    layer = model.bert.encoder.layer[0].intermediate
    layer.dense = DynamicInt8Linear(torch.randn(SMALL["intermediate_size"], 64), None)


def quantise_by_torch(model):
    layer = model.bert.encoder.layer[0].intermediate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = nn.Sequential(nn.Linear(64, SMALL["intermediate_size"]))
        layer.dense = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})


def look_up_twice(model):
    plain = model.forward

    def forward(**inputs):
        plain(**inputs)
        return plain(**inputs)

    model.forward = forward


def have_no_table(model):
    model.get_input_embeddings = lambda: nn.Embedding(len(VOCABULARY), SMALL["hidden_size"])


def fail(model):
    model.get_input_embeddings = lambda: 1 / 0


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(round_one, "its Rounding passes none on", id="a layer that learns nothing"),
        pytest.param(quantise, "weights of its DynamicInt8Linear are rounded", id="int8"),
        pytest.param(quantise_by_torch, "an operator in it has none", id="torch's int8"),
        pytest.param(look_up_twice, "it looks its tokens up more than once", id="two look-ups"),
        pytest.param(have_no_table, "it does not look its tokens up in a table", id="no table"),
        pytest.param(fail, "(ZeroDivisionError)", id="an error of the model's own"),
    ],
)
def test_a_model_without_a_gradient_is_served_and_says_why(loaded, change, cause):
    change(loaded.model)
    classifier = TextClassifier(loaded)
    backend, why = add_explanations(classifier, loaded, max_tokens=2048)
    assert backend is classifier
    assert cause in why
    assert len(backend.compute(backend.prepare(TextInput("angela")))[0]) == 3


def test_a_text_that_takes_too_much_memory_is_refused(loaded):
    """What it takes is known beforehand, and no more than twice as much as what is true."""
    asked = ToExplain(TextInput("x " * 240), "LABEL_0", 8)
    held = measure_held_bytes(loaded, 242)
    plenty = TextGradients(loaded, Room(max_tokens=2048, spare_bytes=2 * held))
    assert {row.length for row in plenty.prepare(asked)} <= {*range(1024, 2049)}
    little = TextGradients(loaded, Room(max_tokens=2048, spare_bytes=held - 1))
    with pytest.raises(InvalidRequest, match=r"raise spec\.resources\.memory") as caught:
        little.prepare(asked)
    assert (caught.value.param, caught.value.code) == ("text", "not_enough_memory")
    short = little.prepare(ToExplain(TextInput("angela"), "LABEL_0", 8))
    assert {row.length for row in short} <= {*range(3 * 3, 60)}


def test_a_text_that_would_take_too_long_at_once_is_refused(loaded):
    gradients = TextGradients(loaded, Room(max_tokens=30, spare_bytes=10**9))
    longest = ToExplain(TextInput("is " * 8), "LABEL_0", 8)
    assert {row.length for row in gradients.prepare(longest)} == {30}
    with pytest.raises(InvalidRequest, match="has 11 tokens; at most 10 can be") as caught:
        gradients.prepare(ToExplain(TextInput("is " * 9), "LABEL_0", 8))
    assert (caught.value.param, caught.value.code) == ("text", "context_length_exceeded")


def measure_held_bytes(loaded, tokens):
    """What autograd really holds after a forward pass, weights aside."""
    model = transformers.BertForSequenceClassification.from_pretrained(
        loaded.wanted.folder.path, attn_implementation="sdpa"
    ).requires_grad_(requires_grad=False)
    weights = {one.untyped_storage().data_ptr() for one in model.parameters()}
    held = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    embeds = torch.randn(1, tokens, SMALL["hidden_size"]).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
        kept = model(inputs_embeds=embeds).logits
    assert kept.requires_grad
    return sum(size for place, size in held.items() if place not in weights)


def test_a_model_that_sees_the_padding_is_explained_in_a_crowd_as_alone(tmp_path):
    sizes = {"num_labels": 3, "type_vocab_size": 2, "embedding_size": SMALL["hidden_size"]}
    write_model(tmp_path, "ConvBertForSequenceClassification", **sizes)
    gradients = TextGradients(load_folder(tmp_path), Room(max_tokens=2048, spare_bytes=10**9))
    asked = [ToExplain(TextInput(text), "LABEL_0", 4) for text in ("t4", "t5 t6 t7 t8", "t9 t3")]
    rows = [gradients.prepare(one) for one in asked]
    crowd = gradients.compute(list(chain(*zip(*rows, strict=True))))
    for place, points in enumerate(rows):
        for slope, alone in zip(crowd[place :: len(rows)], gradients.compute(points), strict=True):
            assert slope.score == pytest.approx(alone.score, abs=CLOSE)
            assert slope.shares == pytest.approx(alone.shares, abs=CLOSE)


def test_the_backend_keeps_what_the_classifier_says_of_itself(loaded):
    classifier = TextClassifier(loaded)
    backend, why = add_explanations(classifier, loaded, max_tokens=2048)
    assert (type(backend), why) == (Explaining, "")
    assert backend.context_tokens == classifier.context_tokens
    assert backend.sample() == classifier.sample()
