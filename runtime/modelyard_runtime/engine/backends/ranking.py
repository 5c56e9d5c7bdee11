"""The chances of tokens by the scores that the model gave, before anything changes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Ranked:
    """The natural logarithm of a token's chance, and the likeliest tokens with theirs."""

    logprob: float
    likeliest: tuple[tuple[int, float], ...]


def rank_tokens(scores: torch.Tensor, wanted: Sequence[tuple[int, int, int]]) -> list[Ranked]:
    """Rank each (row of scores, token, number of likeliest tokens)."""
    rows = torch.tensor([row for row, _, _ in wanted], device=scores.device)
    tokens = torch.tensor([token for _, token, _ in wanted], device=scores.device)
    logprobs = torch.log_softmax(scores[rows], dim=-1)
    chosen: list[float] = logprobs.gather(1, tokens.unsqueeze(1)).squeeze(1).tolist()
    most = min(max(count for _, _, count in wanted), scores.shape[1])
    values, order = torch.topk(logprobs, most, dim=-1)
    likeliest = zip(order.tolist(), values.tolist(), strict=True)
    return [
        Ranked(own, tuple(zip(best[:count], chances[:count], strict=True)))
        for own, (best, chances), (_, _, count) in zip(chosen, likeliest, wanted, strict=True)
    ]
