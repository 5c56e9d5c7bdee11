"""The chances of tokens, in the shapes of chats and completions, whole and streamed."""

import re

import orjson
import pytest

from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import build_client

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello big"}], "logprobs": True}
COMPLETION = {"model": "tiny", "prompt": "hello big", "max_tokens": 9}

HALF = {"token": r"\xf0\x9f", "logprob": -1.5, "bytes": [0xF0, 0x9F]}
END = {"token": "<end>", "logprob": -9999.0, "bytes": None}


def ranked(word):
    return {"token": word, "logprob": -0.6931, "bytes": list(word.encode())}


def chat_token(word, *others):
    likeliest = [ranked(word), *others] if others else []
    return {**ranked(word), "top_logprobs": likeliest}


async def choices_of(path, body, engine=None):
    """Return the choices of the answer, or those of all of its events."""
    engine = engine or FakeGenerationEngine()
    async with build_client(engine) as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    if not body.get("stream"):
        return answer.json()["choices"]
    events = re.findall(r"data: ({.*})\n\n", answer.text)
    return [choice for event in events for choice in orjson.loads(event)["choices"]]


async def logprobs_of(path, body):
    return [choice["logprobs"] for choice in await choices_of(path, body)]


@pytest.mark.parametrize(
    ("asked", "others", "likeliest"),
    [
        pytest.param({}, (), 0, id="the chosen tokens alone"),
        pytest.param({"top_logprobs": 0}, (), 0, id="none of the likeliest"),
        pytest.param({"top_logprobs": 3}, (HALF, END), 3, id="with half a character and an end"),
    ],
)
async def test_a_chat_has_an_entry_for_each_token(asked, others, likeliest):
    engine = FakeGenerationEngine()
    choices = await choices_of("/v1/chat/completions", {**CHAT, **asked}, engine)
    assert [request.sampling.logprobs for request in engine.requests] == [likeliest]
    content = [chat_token("HELLO", *others), chat_token("BIG", *others)]
    assert [choice["logprobs"] for choice in choices] == [{"content": content, "refusal": None}]


async def test_each_choice_has_its_own():
    content = [chat_token("HELLO"), chat_token("BIG")]
    body = {**CHAT, "n": 2}
    assert (
        await logprobs_of("/v1/chat/completions", body)
        == [{"content": content, "refusal": None}] * 2
    )


async def test_events_of_a_chat_have_those_of_their_piece():
    assert await logprobs_of("/v1/chat/completions", {**CHAT, "stream": True}) == [
        {"content": [chat_token(word)], "refusal": None} for word in ("HELLO", "BIG")
    ]


@pytest.mark.parametrize("extra", [{}, {"logprobs": False}, {"stream": True}])
async def test_a_chat_that_does_not_ask_gets_null(extra):
    body = {"model": "tiny", "messages": CHAT["messages"], **extra}
    assert set(await logprobs_of("/v1/chat/completions", body)) == {None}


@pytest.mark.parametrize(
    ("count", "likeliest"),
    [
        (0, [{"HELLO": -0.6931}, {"BIG": -0.6931}]),
        (
            2,
            [
                {"HELLO": -0.6931, r"bytes:\xf0\x9f": -1.5},
                {"BIG": -0.6931, r"bytes:\xf0\x9f": -1.5},
            ],
        ),
    ],
    ids=["the chosen token is always there", "half a character is written as bytes"],
)
async def test_a_completion_has_lists_of_equal_length(count, likeliest):
    assert await logprobs_of("/v1/completions", {**COMPLETION, "logprobs": count}) == [
        {
            "tokens": ["HELLO", "BIG"],
            "token_logprobs": [-0.6931, -0.6931],
            "top_logprobs": likeliest,
            "text_offset": [0, 6],
        }
    ]


async def test_each_of_several_prompts_has_its_own():
    body = {**COMPLETION, "prompt": ["a b", "c"], "logprobs": 0}
    entries = await logprobs_of("/v1/completions", body)
    assert [entry["tokens"] for entry in entries] == [["A", "B"], ["C"]]


async def test_offsets_of_a_stream_go_on():
    body = {**COMPLETION, "logprobs": 0, "stream": True}
    offsets = [entry["text_offset"] for entry in await logprobs_of("/v1/completions", body)]
    assert offsets == [[0], [6]]


async def test_a_completion_that_does_not_ask_gets_null():
    assert await logprobs_of("/v1/completions", COMPLETION) == [None]
