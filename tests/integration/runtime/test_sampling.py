"""Draws follow the distribution that temperature and top_p make, row by row."""

import pytest
import torch

from modelyard_runtime.domain import Sampling
from modelyard_runtime.engine.backends.sampling import build_sampler, draw

DRAWS = 4000


def draw_many(scores, **sampling):
    """Frequencies of the tokens over many draws of one seeded row."""
    sampler = build_sampler(Sampling(**{"seed": 3, **sampling}), 0)
    counts = torch.zeros(len(scores))
    row = torch.tensor([scores])
    for _ in range(DRAWS):
        counts[draw(row, [(0, sampler)])[0]] += 1
    return counts / DRAWS


def nucleus(chances, top_p):
    """The textbook definition, as slow as it is clear."""
    kept = torch.zeros_like(chances)
    total = 0.0
    for token in chances.argsort(descending=True).tolist():
        if total >= top_p and kept.any():
            break
        kept[token] = chances[token]
        total += chances[token].item()
    return kept / kept.sum()


SCORES = [2.0, 1.0, 0.5, -1.0, -3.0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature(temperature):
    expected = (torch.tensor(SCORES) / temperature).softmax(dim=-1)
    torch.testing.assert_close(
        draw_many(SCORES, temperature=temperature), expected, atol=0.03, rtol=0
    )


@pytest.mark.parametrize("top_p", [1e-9, 0.3, 0.7, 0.95])
def test_top_p(top_p):
    expected = nucleus(torch.tensor(SCORES).softmax(dim=-1), top_p)
    torch.testing.assert_close(draw_many(SCORES, top_p=top_p), expected, atol=0.03, rtol=0)


def test_a_nucleus_larger_than_the_candidates_is_drawn_from_all():
    flat = [0.0] * 5000
    assert (draw_many(flat, top_p=0.9) > 0).sum() > 1500


@pytest.mark.parametrize("temperature", [1e-6, 1e-40, 1e-300])
def test_a_tiny_temperature_is_as_good_as_greedy(temperature):
    assert draw_many([1.0, 1.1, 0.9], temperature=temperature)[1] == 1


def test_rows_keep_to_themselves():
    """Each row's draws depend on its own seed and scores, not on its neighbours."""
    torch.manual_seed(0)
    scores = torch.randn(6, 500)

    def run(rows):
        samplers = {
            row: build_sampler(Sampling(temperature=0 if row == 2 else 1, seed=row), 0)
            for row in rows
        }
        drawn = [draw(scores[rows], list(enumerate(samplers.values()))) for _ in range(20)]
        return {row: [step[place] for step in drawn] for place, row in enumerate(rows)}

    together = run([0, 1, 2, 3, 4, 5])
    assert together[2] == [scores[2].argmax().item()] * 20
    for row in range(6):
        assert run([row])[row] == together[row]


def test_choices_may_share_a_row_of_scores():
    scores = torch.zeros(1, 1000)
    samplers = [build_sampler(Sampling(seed=5), index) for index in range(3)]
    first = draw(scores, [(0, sampler) for sampler in samplers])
    assert len(set(first)) == 3


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**70])
def test_any_seed_is_taken(seed):
    (token,) = draw(torch.zeros(1, 10), [(0, build_sampler(Sampling(seed=seed), 0))])
    assert 0 <= token < 10
