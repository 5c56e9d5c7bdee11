"""The generation engine on a toy model: joining, leaving, ending, failing, closing."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import Chunk
from modelyard_runtime.engine.base import Load
from modelyard_runtime.errors import EngineFailure, InvalidRequest, Overloaded, Unavailable
from tests.support.toy_backend import ToyBackend, continue_alone
from tests.support.toy_engine import CONTEXT, SOON, collect, request, running


def expected(prompt, max_tokens):
    tokens = continue_alone(prompt, max_tokens)
    stopped = tokens[-1] == 0
    text = "".join(f"{token} " for token in (tokens[:-1] if stopped else tokens))
    return text, ["stop" if stopped else "length"]


async def test_a_prompt_is_continued():
    async with running() as engine:
        generation = await engine.submit(request([5, 6, 7], max_tokens=3))
        chunks = [chunk async for chunk in generation]
    words = [f"{token} " for token in continue_alone([5, 6, 7], 3)]
    assert generation.prompt_tokens == 3
    assert chunks == [
        Chunk(0, words[0], 1),
        Chunk(0, words[1], 1),
        Chunk(0, words[2], 1, "length"),
    ]


async def test_stop_strings_end_a_text_and_are_not_shown():
    first, second, *_ = continue_alone([5, 6, 7], 3)
    async with running() as engine:
        generation = await engine.submit(request([5, 6, 7], stop=(f" {second}",)))
        chunks = [chunk async for chunk in generation]
    assert "".join(chunk.text for chunk in chunks) == str(first)
    assert sum(chunk.tokens for chunk in chunks) == 2
    assert chunks[-1].finish_reason == "stop"


async def test_without_a_wish_a_text_ends_with_the_context():
    async with running() as engine:
        prompt = [5] * (CONTEXT - 2)
        assert await collect(await engine.submit(request(prompt))) == [expected(prompt, 2)]


async def test_choices_of_one_request_share_the_reading_of_the_prompt():
    backend = ToyBackend()
    async with running(backend) as engine:
        generation = await engine.submit(request([5] * 20, n=3, temperature=1.0, max_tokens=4))
        choices = await collect(generation)
    assert len({text for text, _ in choices}) == 3
    assert [finish for _, finish in choices] == [["length"]] * 3
    assert [feed for feeds in backend.passes for feed in feeds if feed[1] > 1] == [(0, 20)]


requests = st.tuples(
    st.lists(st.integers(1, 96), min_size=1, max_size=60),
    st.integers(1, 40),
    st.none() | st.integers(0, 5),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(requests, min_size=1, max_size=12), st.integers(1, 3))
def test_whatever_else_is_computed_the_text_is_the_same(crowd, blocks):
    """Joining, leaving, moving in the cache and giving up a place change no one's text."""
    backend = ToyBackend(cache_tokens=blocks * 512)
    capacity = Capacity(1, 1, max_slots=6, max_waiting=100)

    async def ask(engine, prompt, max_tokens, patience):
        generation = await engine.submit(request(prompt, max_tokens=max_tokens))
        if patience is None:
            return await collect(generation)
        text = ""
        async for chunk in generation:
            text += chunk.text
            patience -= 1
            if patience < 0:
                break
        await generation.aclose()
        return text

    async def all_at_once():
        async with running(backend, capacity=capacity) as engine:
            async with asyncio.timeout(SOON):
                answers = await asyncio.gather(*(ask(engine, *one) for one in crowd))
            assert engine.load == Load(0, 0)
        return answers

    for (prompt, max_tokens, patience), answer in zip(
        crowd, asyncio.run(all_at_once()), strict=True
    ):
        text, finish = expected(prompt, max_tokens)
        if patience is None:
            assert answer == [(text, finish)]
        else:
            assert text.startswith(answer)
    assert backend.peak_footprint <= backend.cache_tokens


@pytest.mark.parametrize(
    ("wrong", "message", "param"),
    [
        pytest.param(request([]), "the prompt is empty", "prompt", id="empty"),
        pytest.param(
            request([1] * CONTEXT),
            "the prompt has 384 tokens; the context of 384 tokens leaves room for at most 383",
            "prompt",
            id="as long as the context",
        ),
        pytest.param(
            request([1], n=5),
            "n is 5; this deployment generates between 1 and 4 choices at once",
            "n",
            id="more choices than slots",
        ),
        pytest.param(
            request([1], max_tokens=0),
            "max_tokens is 0; it must be at least 1",
            "max_tokens",
            id="no tokens wanted",
        ),
        pytest.param(
            request([1], logit_bias=((5, 1.0), (97, 1.0))),
            "97 is no toy token",
            "logit_bias",
            id="a bias on a token that is not the model's",
        ),
    ],
)
async def test_what_cannot_be_served_is_refused(wrong, message, param):
    async with running() as engine:
        with pytest.raises(InvalidRequest) as caught:
            await engine.submit(wrong)
        assert (caught.value.message, caught.value.param) == (message, param)
        assert engine.load == Load(0, 0)


async def test_a_full_engine_refuses_with_the_time_to_wait():
    backend = ToyBackend()
    backend.gate.clear()
    async with running(backend) as engine:
        inside = [await engine.submit(request([5, 6], max_tokens=2)) for _ in range(8)]
        await asyncio.to_thread(backend.entered.wait, SOON)
        assert engine.load.running + engine.load.waiting == 8
        with pytest.raises(Overloaded) as caught:
            await engine.submit(request([5, 6]))
        assert 1 <= caught.value.retry_after_seconds <= 60
        backend.gate.set()
        for generation in inside:
            assert await collect(generation) == [expected([5, 6], 2)]
        assert engine.load == Load(0, 0)


async def leave_by_closing(generation):
    await generation.aclose()
    await generation.aclose()


async def leave_by_cancellation(generation):
    async def read():
        async for _ in generation:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def leave_by_losing_it(generation):
    pass


@pytest.mark.parametrize("leave", [leave_by_closing, leave_by_cancellation, leave_by_losing_it])
async def test_who_leaves_frees_the_slot_before_the_next_step(leave):
    backend = ToyBackend()
    backend.gate.clear()
    async with running(backend) as engine:
        generation = await engine.submit(request([5, 6]))
        await asyncio.to_thread(backend.entered.wait, SOON)
        await leave(generation)
        del generation
        assert (engine.load, engine.abandoned) == (Load(0, 0), 1)
        staying = await engine.submit(request([7, 8], max_tokens=2))
        backend.gate.set()
        assert await collect(staying) == [expected([7, 8], 2)]
    assert [feeds for feeds in backend.passes[1:] if len(feeds) > 1] == []


async def test_a_failing_step_fails_its_requests_only():
    backend = ToyBackend(fails={1})
    async with running(backend) as engine:
        failing = await engine.submit(request([5, 6, 7]))
        with pytest.raises(EngineFailure, match="RuntimeError"):
            await collect(failing)
        assert await collect(await engine.submit(request([7, 8], max_tokens=2))) == [
            expected([7, 8], 2)
        ]
        assert (engine.alive, engine.load) == (True, Load(0, 0))


async def test_a_prompt_that_fails_leaves_running_texts_alone():
    backend = ToyBackend(fails={4})
    async with running(backend) as engine:
        generating = await engine.submit(request([5, 6, 7], max_tokens=30))
        chunks = aiter(generating)
        first = await anext(chunks)
        # Whatever pass the new prompt is read in, it or the text beside it fails, never both.
        reading = await engine.submit(request([9] * 70, max_tokens=1))
        outcomes = await asyncio.gather(collect(reading), drain(chunks), return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, EngineFailure)]
    assert len(failures) == 1
    if outcomes[1] not in failures:
        assert first.text + outcomes[1] == expected([5, 6, 7], 30)[0]


async def drain(chunks):
    return "".join([chunk.text async for chunk in chunks])


async def test_a_sick_device_ends_the_engine_and_all_who_wait():
    backend = ToyBackend(fails={1}, is_sick=True)
    backend.gate.clear()
    async with running(backend) as engine:
        inside = [await engine.submit(request([5, 6, 7])) for _ in range(6)]
        backend.gate.set()
        outcomes = await asyncio.gather(*map(collect, inside), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {EngineFailure, Unavailable}
        assert not engine.alive
        with pytest.raises(Unavailable):
            await engine.submit(request([5]))
        assert engine.load == Load(0, 0)


async def test_closing_fails_who_is_inside():
    backend = ToyBackend()
    backend.gate.clear()
    async with running(backend) as engine:
        inside = [await engine.submit(request([5, 6, 7])) for _ in range(6)]
        await asyncio.to_thread(backend.entered.wait, SOON)
        closing = asyncio.create_task(engine.close())
        # It has told the thread to end when it first waits, and only then may the pass go on.
        await asyncio.sleep(0)
        backend.gate.set()
        outcomes = await asyncio.gather(*map(collect, inside), return_exceptions=True)
        await closing
        assert {str(outcome) for outcome in outcomes} == {"the model is being stopped"}
        assert not engine.alive
