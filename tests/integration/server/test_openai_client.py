"""OpenAI's own client, strict about every answer, against a real port."""

import asyncio

import httpx
import openai
import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import DIMENSIONS, FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import running

MESSAGES = [{"role": "user", "content": "hello big world"}]


@pytest.fixture
async def server():
    async with running(FakeGenerationEngine()) as server:
        yield server


@pytest.fixture
async def embedder():
    async with running(FakeBatchEngine(Task.EMBEDDINGS)) as server:
        yield server


def settings_for(server, **changes):
    # A proxy of the machine's environment must not come between.
    return {
        "base_url": f"{server.url}/v1",
        "api_key": "none",
        "_strict_response_validation": True,
        "max_retries": 0,
        **changes,
    }


def sync_client(server, **changes):
    http = httpx.Client(trust_env=False)
    return openai.OpenAI(**settings_for(server, **changes), http_client=http)


def async_client(server, **changes):
    http = httpx.AsyncClient(trust_env=False)
    return openai.AsyncOpenAI(**settings_for(server, **changes), http_client=http)


async def test_chat(server):
    async with async_client(server) as client:
        answer = await client.chat.completions.create(model="tiny", messages=MESSAGES, n=2)
    assert [choice.message.content for choice in answer.choices] == ["HELLO BIG WORLD"] * 2
    assert answer.usage.total_tokens == 9


async def test_an_answer_can_be_sent_back_as_it_came(server):
    async with async_client(server) as client:
        answer = await client.chat.completions.create(model="tiny", messages=MESSAGES)
        messages = [*MESSAGES, answer.choices[0].message, {"role": "user", "content": "again"}]
        second = await client.chat.completions.create(model="tiny", messages=messages)
    assert second.choices[0].message.content == "AGAIN"


async def test_chat_stream(server):
    async with async_client(server) as client:
        stream = await client.chat.completions.create(
            model="tiny", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    choices = [chunk.choices[0] for chunk in chunks[:-1]]
    assert "".join(choice.delta.content for choice in choices) == "HELLO BIG WORLD"
    assert [choice.delta.role for choice in choices] == ["assistant", None, None]
    assert [choice.finish_reason for choice in choices] == [None, None, "stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 6)


async def test_chat_stream_helper(server):
    """The client's own accumulator, which is strict about the order of events."""
    async with (
        async_client(server) as client,
        client.chat.completions.stream(model="tiny", messages=MESSAGES) as stream,
    ):
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "HELLO BIG WORLD"


async def test_logprobs(server):
    asked = {"model": "tiny", "messages": MESSAGES, "logprobs": True, "top_logprobs": 3}
    async with async_client(server) as client:
        whole = await client.chat.completions.create(**asked)
        stream = await client.chat.completions.create(**asked, stream=True)
        events = [chunk.choices[0].logprobs async for chunk in stream]
        text = await client.completions.create(model="tiny", prompt="a b", logprobs=1)
        async with client.chat.completions.stream(**asked) as helped:
            final = await helped.get_final_completion()
    content = whole.choices[0].logprobs.content
    assert [token.token for token in content] == ["HELLO", "BIG", "WORLD"]
    assert [len(token.top_logprobs) for token in content] == [3, 3, 3]
    assert [token for event in events for token in event.content] == content
    assert final.choices[0].logprobs.content == content
    assert text.choices[0].logprobs.tokens == ["A", "B"]


async def test_penalties_and_biases_are_taken(server):
    asked = {"frequency_penalty": 0.5, "presence_penalty": -2, "logit_bias": {"5": -100}}
    async with async_client(server) as client:
        chat = await client.chat.completions.create(model="tiny", messages=MESSAGES, **asked)
        text = await client.completions.create(model="tiny", prompt="a b", **asked)
    assert (chat.choices[0].finish_reason, text.choices[0].text) == ("stop", "A B")


async def test_completions(server):
    async with async_client(server) as client:
        answer = await client.completions.create(model="tiny", prompt=[[1, 2], [3]], max_tokens=9)
    assert [choice.text for choice in answer.choices] == ["1 2", "3"]


async def test_completion_stream(server):
    # The client's type has no null for finish_reason, which OpenAI itself sends all the same.
    async with async_client(server, _strict_response_validation=False) as client:
        stream = await client.completions.create(model="tiny", prompt=["a b", "c"], stream=True)
        choices = [choice async for chunk in stream for choice in chunk.choices]
    assert [(choice.index, choice.text) for choice in choices] == [(0, "A "), (1, "C"), (0, "B")]


async def test_embeddings_arrive_as_numbers(embedder):
    """The client asks for base64 unless told otherwise, and decodes it; its strict type cannot."""
    async with (
        async_client(embedder, _strict_response_validation=False) as client,
        async_client(embedder) as strict,
    ):
        decoded = await client.embeddings.create(model="tiny", input=["a", "b c"])
        plain = await strict.embeddings.create(
            model="tiny", input=["a", "b c"], encoding_format="float"
        )
    assert [len(item.embedding) for item in decoded.data] == [DIMENSIONS] * 2
    for one, other in zip(decoded.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)


async def test_models(server):
    async with async_client(server) as client:
        listed = [model.id async for model in client.models.list()]
        described = await client.models.retrieve("tiny")
    assert (listed, described.id) == (["tiny"], "tiny")


async def test_the_synchronous_client(server):
    def use():
        with sync_client(server) as client:
            whole = client.chat.completions.create(model="tiny", messages=MESSAGES)
            stream = client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)
            return whole.choices[0].message.content, [
                chunk.choices[0].delta.content for chunk in stream
            ]

    assert await asyncio.to_thread(use) == ("HELLO BIG WORLD", ["HELLO ", "BIG ", "WORLD"])


@pytest.mark.parametrize(
    ("request_of", "kind", "code"),
    [
        (
            {"model": "x", "messages": MESSAGES},
            openai.NotFoundError,
            "model_not_found",
        ),
        (
            {"model": "tiny", "messages": MESSAGES, "reasoning_effort": "high"},
            openai.BadRequestError,
            "unsupported_parameter",
        ),
        (
            {"model": "tiny", "messages": [{"role": "user", "content": "fail"}]},
            openai.InternalServerError,
            "internal_error",
        ),
    ],
    ids=["another model", "a parameter that is not supported", "a fault"],
)
async def test_errors_are_the_clients_own(server, request_of, kind, code):
    async with async_client(server) as client:
        with pytest.raises(kind) as caught:
            await client.chat.completions.create(**request_of)
    assert (caught.value.code, bool(caught.value.request_id)) == (code, True)


async def test_overload_is_retried_by_the_client():
    engine = FakeGenerationEngine(capacity=0)
    async with running(engine) as server, async_client(server) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert caught.value.response.headers["retry-after"] == "7"


async def test_a_late_fault_is_an_error_to_the_client(server):
    async with async_client(server) as client:
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "good fail"}], stream=True
        )
        with pytest.raises(openai.APIError, match="The model failed"):
            [chunk async for chunk in stream]
