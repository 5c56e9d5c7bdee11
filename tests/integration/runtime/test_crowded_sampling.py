"""Whoever else is served, a text with penalties or a seed is what it would be alone."""

import asyncio

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import Sampling
from modelyard_runtime.engine.backends import sampling
from tests.support.toy_backend import END, VOCABULARY, ToyBackend
from tests.support.toy_engine import SOON, request, running

CROWDED = Capacity(1, 1, max_slots=6, max_waiting=100)
TABLE = torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(3)) * 2


class ScoringBackend(ToyBackend):
    """Scores follow from the last tokens, to the bit; draws are the real ones.

    It likes to repeat itself, so that penalties have something to do.
    """

    def forward(self, feeds):
        return torch.stack([score(tokens) for tokens in super().forward(feeds)])

    def build_sampler(self, wanted, index):
        return sampling.build_sampler(wanted, index)

    def draw(self, scores, picks):
        return sampling.draw(scores, picks)


def score(tokens):
    scores = TABLE[tokens[-1]] + TABLE[sum(tokens[-2:]) % VOCABULARY]
    scores[tokens[-1]] += 2
    return scores


def continue_greedily(prompt, wanted):
    """A single text, with the published formula written out."""
    tokens = list(prompt)
    while len(tokens) - len(prompt) < wanted.max_tokens:
        scores = score(tokens).double()
        for token, bias in wanted.logit_bias:
            scores[token] += bias
        for token in set(tokens[len(prompt) :]):
            count = tokens[len(prompt) :].count(token)
            scores[token] -= count * wanted.frequency_penalty + wanted.presence_penalty
        tokens.append(int(scores.argmax()))
        if tokens[-1] == END:
            break
    return "".join(f"{token} " for token in tokens[len(prompt) :] if token != END)


penalties = st.sampled_from([0.0, 0.0, -0.75, 0.3, 1.1, 2.0])
biases = st.lists(
    st.tuples(st.integers(0, VOCABULARY - 1), st.sampled_from([-100.0, -1.5, 3.0])),
    max_size=4,
    unique_by=lambda bias: bias[0],
)
wishes = st.builds(
    Sampling,
    max_tokens=st.integers(1, 40),
    temperature=st.sampled_from([0.0, 0.0, 0.8, 1.5]),
    top_p=st.sampled_from([1.0, 0.9]),
    seed=st.integers(0, 9),
    frequency_penalty=penalties,
    presence_penalty=penalties,
    logit_bias=biases.map(tuple),
)
# Prompt, wish, choices, how many turns of the loop later, and how many chunks until it leaves.
visitors = st.tuples(
    st.lists(st.integers(1, 96), min_size=1, max_size=40),
    wishes,
    st.integers(1, 2),
    st.fixed_dictionaries({"turns": st.integers(0, 30), "patience": st.none() | st.integers(1, 9)}),
)


async def ask(engine, prompt, wish, choices, *, turns=0, patience=None):
    for _ in range(turns):
        await asyncio.sleep(0)
    fields = {name: getattr(wish, name) for name in wish.__dataclass_fields__}
    generation = await engine.submit(request(prompt, n=choices, **fields))
    texts = [""] * choices
    async for chunk in generation:
        texts[chunk.index] += chunk.text
        if patience is not None and (patience := patience - 1) == 0:
            break
    await generation.aclose()
    return texts


async def serve(crowd, blocks):
    """Return the answers in a crowd with little memory, and alone."""
    backend = ScoringBackend(cache_tokens=blocks * 512)
    async with running(backend, capacity=CROWDED) as engine, asyncio.timeout(SOON * 6):
        together = await asyncio.gather(
            *(ask(engine, *visitor[:3], **visitor[3]) for visitor in crowd)
        )
        alone = [await ask(engine, *visitor[:3]) for visitor in crowd]
    return together, alone


@settings(max_examples=25)
@given(st.lists(visitors, min_size=2, max_size=12), st.integers(1, 3))
def test_texts_do_not_depend_on_the_crowd(crowd, blocks):
    together, alone = asyncio.run(serve(crowd, blocks))
    for (prompt, wish, choices, visit), crowded, single in zip(crowd, together, alone, strict=True):
        if wish.temperature == 0:
            assert single == [continue_greedily(prompt, wish)] * choices
        if visit["patience"] is None:
            assert crowded == single
        else:
            assert all(own.startswith(part) for part, own in zip(crowded, single, strict=True))
