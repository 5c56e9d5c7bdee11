"""The chances of tokens go with the text that they make, whatever holds it back."""

from modelyard_runtime.domain import ScoredToken
from tests.support.toy_backend import chance, continue_alone
from tests.support.toy_engine import request, running

PROMPT = [5, 6, 7]


async def read(**sampling):
    async with running() as engine:
        generation = await engine.submit(request(PROMPT, **sampling))
        return [chunk async for chunk in generation]


def scored(tokens, *, likeliest=()):
    """Each token of the toy model is its number and a space."""
    texts = [f"{token} " for token in tokens]
    return tuple(
        ScoredToken(chance(token), likeliest, sum(map(len, texts[:place])))
        for place, token in enumerate(tokens)
    )


def all_scored(chunks):
    return tuple(token for chunk in chunks for token in chunk.scored)


async def test_each_piece_has_its_tokens():
    tokens = continue_alone(PROMPT, 3)
    chunks = await read(max_tokens=3, logprobs=2)
    expected = scored(tokens, likeliest=(chance(0), chance(1)))
    assert [chunk.scored for chunk in chunks] == [(token,) for token in expected]


async def test_who_does_not_ask_gets_none():
    assert all_scored(await read(max_tokens=3)) == ()


async def test_tokens_whose_text_is_held_back_come_with_it():
    """What might become a stop string, and does not, is shown later with its tokens."""
    tokens = continue_alone(PROMPT, 4)
    maybe = f"{tokens[1]} {tokens[2]} x"
    chunks = await read(max_tokens=4, logprobs=0, stop=(maybe,))
    assert [(chunk.text, len(chunk.scored)) for chunk in chunks] == [
        (f"{tokens[0]} ", 1),
        (f"{tokens[1]} {tokens[2]} {tokens[3]} ", 3),
    ]
    assert all_scored(chunks) == scored(tokens)


async def test_a_stop_string_takes_its_tokens_along():
    """A token that begins before the stop string is shown in part, so it stays."""
    tokens = continue_alone(PROMPT, 4)
    chunks = await read(max_tokens=9, logprobs=0, stop=(f" {tokens[2]} {tokens[3]}",))
    assert "".join(chunk.text for chunk in chunks) == f"{tokens[0]} {tokens[1]}"
    assert all_scored(chunks) == scored(tokens[:2])
    assert sum(chunk.tokens for chunk in chunks) == 4


async def test_the_token_that_ends_a_text_is_not_part_of_it():
    prompt = next([start] for start in range(1, 97) if len(continue_alone([start], 60)) < 60)
    tokens = continue_alone(prompt, 60)
    async with running() as engine:
        chunks = [chunk async for chunk in await engine.submit(request(prompt, logprobs=0))]
    assert chunks[-1].finish_reason == "stop"
    assert all_scored(chunks) == scored(tokens[:-1])


async def test_each_choice_has_its_own():
    async with running() as engine:
        wanted = request(PROMPT, n=3, temperature=1.0, max_tokens=4, logprobs=0)
        chunks = [chunk async for chunk in await engine.submit(wanted)]
    for index in range(3):
        own = [chunk for chunk in chunks if chunk.index == index]
        assert all_scored(own) == scored([int(chunk.text) for chunk in own])
