"""Chances of tokens are the logarithms of the model's own distribution."""

import pytest
import torch

from modelyard_runtime.engine.backends.ranking import rank_tokens


def test_each_wish_gets_its_row_its_token_and_as_many_of_the_likeliest():
    torch.manual_seed(0)
    scores = torch.randn(3, 40) * 4
    logprobs = scores.double().softmax(dim=-1).log()
    wanted = [(2, 5, 0), (0, 7, 20), (2, 39, 3)]
    for (row, token, count), ranked in zip(wanted, rank_tokens(scores, wanted), strict=True):
        assert ranked.logprob == pytest.approx(logprobs[row, token].item(), abs=1e-5)
        likeliest = logprobs[row].argsort(descending=True)[:count].tolist()
        assert [token for token, _ in ranked.likeliest] == likeliest
        assert [chance for _, chance in ranked.likeliest] == pytest.approx(
            logprobs[row, likeliest].tolist(), abs=1e-5
        )


def test_a_vocabulary_smaller_than_the_wish_is_ranked_whole():
    (ranked,) = rank_tokens(torch.zeros(1, 3), [(0, 1, 20)])
    assert sorted(token for token, _ in ranked.likeliest) == [0, 1, 2]
