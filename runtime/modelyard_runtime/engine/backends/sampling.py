"""Draws the next token of each row from its scores, by that row's own settings and generator."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from modelyard_runtime.domain import Sampling
from modelyard_runtime.engine.backends.adjustments import (
    Adjustments,
    adjust_scores,
    build_adjustments,
)

# How many of the likeliest tokens are sorted first for top_p. They nearly always hold the whole
# nucleus; sorting a vocabulary of 50 000 takes ten times as long as finding these.
_CANDIDATES = 1024


@dataclass(frozen=True, slots=True)
class Sampler:
    """How one sequence draws. No generator: it takes the likeliest token."""

    temperature: float
    top_p: float
    generator: torch.Generator | None
    adjustments: Adjustments | None = None


def build_sampler(sampling: Sampling, index: int) -> Sampler:
    """Return the sampler of choice `index`; choices of one seeded request differ repeatably."""
    adjustments = build_adjustments(sampling)
    if sampling.temperature == 0:
        return Sampler(0.0, 1.0, None, adjustments)
    generator = torch.Generator()
    seed = secrets.randbits(63) if sampling.seed is None else sampling.seed + index
    # torch takes seeds of 64 bits; clients may send any integer.
    generator.manual_seed(seed % (1 << 63))
    return Sampler(sampling.temperature, sampling.top_p, generator, adjustments)


def draw(scores: torch.Tensor, picks: Sequence[tuple[int, Sampler]]) -> list[int]:
    """Draw one token per (row of scores, sampler), and let penalties count it.

    The scores stay as they are.
    """
    rows = torch.tensor([number for number, _ in picks], device=scores.device)
    adjusting = [
        (place, sampler.adjustments)
        for place, (_, sampler) in enumerate(picks)
        if sampler.adjustments is not None
    ]
    if adjusting:
        # One row for each pick: choices of one request may share a row of the model's.
        scores = adjust_scores(scores[rows], adjusting)
        rows = torch.arange(len(picks), device=scores.device)
    tokens = torch.argmax(scores, dim=-1)[rows]
    drawing = [place for place, (_, sampler) in enumerate(picks) if sampler.generator is not None]
    if drawing:
        places = torch.tensor(drawing, device=scores.device)
        samplers = [picks[place][1] for place in drawing]
        tokens[places] = _draw_random(scores[rows[places]], samplers)
    drawn: list[int] = tokens.tolist()
    for place, adjustments in adjusting:
        adjustments.count(drawn[place])
    return drawn


def _draw_random(scores: torch.Tensor, samplers: Sequence[Sampler]) -> torch.Tensor:
    """Invert each row's cumulative distribution at one random point of its own generator."""
    points = torch.cat(
        [torch.rand(1, generator=sampler.generator, dtype=torch.float64) for sampler in samplers]
    ).to(scores.device)
    # One that is nothing in the type of the scores would be a division of nothing by nothing.
    temperatures = scores.new_tensor([sampler.temperature for sampler in samplers])
    temperatures = temperatures.clamp_(min=torch.finfo(scores.dtype).tiny)
    # Subtracting the maximum first keeps a tiny temperature from making infinity minus infinity.
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    chances = torch.softmax(shifted / temperatures.unsqueeze(1), dim=-1)
    nucleus = [place for place, sampler in enumerate(samplers) if sampler.top_p < 1.0]
    whole = [place for place, sampler in enumerate(samplers) if sampler.top_p >= 1.0]
    tokens = torch.empty(len(samplers), dtype=torch.long, device=scores.device)
    if whole:
        tokens[whole] = _invert(chances[whole], points[whole])
    if nucleus:
        limits = scores.new_tensor([samplers[place].top_p for place in nucleus])
        tokens[nucleus] = _draw_nucleus(chances[nucleus], limits, points[nucleus])
    return tokens


def _draw_nucleus(
    chances: torch.Tensor, limits: torch.Tensor, points: torch.Tensor
) -> torch.Tensor:
    """Draw among the likeliest tokens whose chances add up to the row's limit."""
    count = min(_CANDIDATES, chances.shape[1])
    best, order = torch.topk(chances, count, dim=-1)
    if count < chances.shape[1] and bool((best.sum(dim=-1) < limits).any()):
        best, order = torch.sort(chances, dim=-1, descending=True)
    before = torch.cumsum(best, dim=-1) - best
    # The token that crosses the limit belongs to the nucleus; so the likeliest always does.
    kept = torch.where(before < limits.unsqueeze(1), best, 0.0)
    kept[:, 0] = best[:, 0]
    return order.gather(1, _invert(kept, points).unsqueeze(1)).squeeze(1)


def _invert(chances: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    # Double precision: over a large vocabulary, float32 sums lose the tail.
    sums = torch.cumsum(chances.double(), dim=-1)
    targets = points.unsqueeze(1) * sums[:, -1:]
    found = torch.searchsorted(sums, targets, right=True).squeeze(1)
    return found.clamp_(max=chances.shape[1] - 1)
