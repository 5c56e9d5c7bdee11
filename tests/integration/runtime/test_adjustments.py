"""Penalties and biases change scores as OpenAI defines it, each row by its own text."""

import pytest
import torch
from transformers import SequenceBiasLogitsProcessor

from modelyard_runtime.domain import Sampling
from modelyard_runtime.engine.backends.adjustments import adjust_scores, build_adjustments
from modelyard_runtime.engine.backends.sampling import build_sampler, draw

VOCABULARY = 50


def adjust_plainly(scores, text, sampling):
    """The published formula, token by token: mu[j] - c[j] * frequency - (c[j] > 0) * presence."""
    adjusted = scores.double().clone()
    for token in range(len(scores)):
        count = text.count(token)
        adjusted[token] += dict(sampling.logit_bias).get(token, 0.0)
        adjusted[token] -= count * sampling.frequency_penalty
        adjusted[token] -= float(count > 0) * sampling.presence_penalty
    return adjusted


WISHES = [
    Sampling(frequency_penalty=0.7),
    Sampling(presence_penalty=-1.3),
    Sampling(frequency_penalty=-2, presence_penalty=2),
    Sampling(logit_bias=((3, -100), (49, 0.25), (7, 100))),
    Sampling(frequency_penalty=0.1, presence_penalty=0.3, logit_bias=((5, 1.5), (6, -0.5))),
]


def draw_text(length):
    return torch.randint(0, VOCABULARY, (length,)).tolist()


def test_scores_are_those_of_the_formula():
    torch.manual_seed(0)
    scores = torch.randn(len(WISHES), VOCABULARY) * 5
    # Long enough for the room to grow, and for rounding errors to add up if there were any.
    texts = [draw_text(length) for length in (400, 70, 1000, 30, 3000)]
    adjusting = []
    for row, (sampling, text) in enumerate(zip(WISHES, texts, strict=True)):
        adjustments = build_adjustments(sampling)
        for token in text:
            adjustments.count(token)
        adjusting.append((row, adjustments))
    ours = adjust_scores(scores.clone(), adjusting)
    for row, (sampling, text) in enumerate(zip(WISHES, texts, strict=True)):
        plain = adjust_plainly(scores[row], text, sampling)
        torch.testing.assert_close(ours[row].double(), plain, atol=1e-5, rtol=1e-6)


def test_biases_are_those_of_transformers():
    scores = torch.randn(1, VOCABULARY)
    biases = ((3, -100.0), (7, 2.5), (49, 100.0))
    theirs = SequenceBiasLogitsProcessor({(token,): bias for token, bias in biases})
    ours = adjust_scores(scores.clone(), [(0, build_adjustments(Sampling(logit_bias=biases)))])
    torch.testing.assert_close(ours, theirs(torch.zeros(1, 1, dtype=torch.long), scores.clone()))


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(frequency_penalty=0, presence_penalty=0, logit_bias=())]
)
def test_who_asks_for_nothing_has_nothing(sampling):
    assert build_adjustments(sampling) is None


def continue_plainly(scores, sampling, length):
    text = []
    for _ in range(length):
        text.append(int(adjust_plainly(scores, text, sampling).argmax()))
    return text


def test_greedy_rows_of_a_mixed_batch_keep_to_themselves():
    """One model, deaf to its text: what changes from draw to draw are the penalties alone."""
    torch.manual_seed(1)
    wishes = [Sampling(), *WISHES, Sampling(presence_penalty=0.5)]
    scores = torch.randn(len(wishes), VOCABULARY)
    before = scores.clone()
    samplers = [
        build_sampler(Sampling(**{**fields_of(wish), "temperature": 0}), 0) for wish in wishes
    ]
    steps = [draw(scores, list(enumerate(samplers))) for _ in range(60)]
    for row, wish in enumerate(wishes):
        assert [step[row] for step in steps] == continue_plainly(scores[row], wish, 60)
    assert torch.equal(scores, before)


def fields_of(sampling):
    return {name: getattr(sampling, name) for name in sampling.__dataclass_fields__}


def test_choices_that_share_a_row_of_scores_count_for_themselves():
    scores = torch.tensor([[2.0, 1.9, 0.0, 0.0]])
    greedy = Sampling(temperature=0, presence_penalty=1.0, logit_bias=((3, 0.5),))
    first, second = build_sampler(greedy, 0), build_sampler(greedy, 1)
    assert draw(scores, [(0, first), (0, second)]) == [0, 0]
    assert draw(scores, [(0, first)]) == [1]
    assert draw(scores, [(0, first), (0, second)]) == [0, 1]


def test_draws_follow_the_adjusted_distribution():
    scores = torch.tensor([[1.0, 0.0, -1.0, 0.5]])
    biases = ((0, -100.0), (2, 1.0))
    sampler = build_sampler(Sampling(seed=5, temperature=0.7, logit_bias=biases), 0)
    counts = torch.zeros(4)
    for _ in range(4000):
        counts[draw(scores, [(0, sampler)])[0]] += 1
    adjusted = adjust_plainly(scores[0], [], Sampling(logit_bias=biases)) / 0.7
    expected = adjusted.softmax(dim=-1).float()
    torch.testing.assert_close(counts / 4000, expected, atol=0.03, rtol=0)
    assert counts[0] == 0
