"""Chat and completions: what reaches the engine, and what comes back."""

import re

import orjson
import pytest

from modelyard_runtime.domain import GenerateRequest, Message, Sampling
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import build_client

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello big world"}]}
COMPLETION = {"model": "tiny", "prompt": "hello big world", "max_tokens": 9}


async def post(path, body, engine=None):
    async with build_client(engine or FakeGenerationEngine()) as client:
        return await client.post(path, json=body)


def events_of(answer):
    """Return the events of a stream, `[DONE]` as text, without what changes from run to run."""
    events = re.findall(r"data: (.*)\n\n", answer.text)
    return [
        event if event == "[DONE]" else without_heading(orjson.loads(event)) for event in events
    ]


def without_heading(content):
    return {key: value for key, value in content.items() if key not in {"id", "created", "model"}}


async def test_a_chat_is_answered_whole():
    answer = await post("/v1/chat/completions", CHAT)
    content = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert content.pop("id").startswith("chatcmpl-")
    assert content.pop("created") > 1_700_000_000
    assert content == {
        "object": "chat.completion",
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "HELLO BIG WORLD", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
    }


async def test_prompts_and_choices_of_a_completion_keep_their_order():
    answer = await post("/v1/completions", {**COMPLETION, "prompt": ["a b c", "d"], "n": 2})
    assert without_heading(answer.json()) == {
        "object": "text_completion",
        "choices": [
            {"index": i, "text": text, "logprobs": None, "finish_reason": "stop"}
            for i, text in enumerate(["A B C", "A B C", "D", "D"])
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 8, "total_tokens": 12},
    }


SAMPLING = {
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 7,
    "stop": ["a", "b"],
    "n": 3,
    "max_tokens": 5,
}
DOMAIN_SAMPLING = Sampling(max_tokens=5, temperature=0.5, top_p=0.9, seed=7, stop=("a", "b"))


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        pytest.param(
            "/v1/chat/completions",
            {**CHAT, **SAMPLING},
            [GenerateRequest("id", (Message("user", "hello big world"),), DOMAIN_SAMPLING, n=3)],
            id="a chat with everything set",
        ),
        pytest.param(
            "/v1/chat/completions",
            {
                "model": "tiny",
                "messages": [
                    {"role": "system", "content": "be brief"},
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "first"},
                            {"type": "text", "text": "second"},
                        ],
                    },
                ],
                "max_completion_tokens": 4,
            },
            [
                GenerateRequest(
                    "id",
                    (Message("system", "be brief"), Message("user", "first\nsecond")),
                    Sampling(max_tokens=4),
                )
            ],
            id="a chat of parts, with defaults",
        ),
        pytest.param(
            "/v1/completions",
            {"model": "tiny", "prompt": "hello", "stop": "x", "temperature": 0},
            [GenerateRequest("id", "hello", Sampling(max_tokens=16, temperature=0, stop=("x",)))],
            id="a text, 16 tokens long unless asked otherwise",
        ),
        pytest.param(
            "/v1/completions",
            {"model": "tiny", "prompt": [1, 2, 3]},
            [GenerateRequest("id", (1, 2, 3), Sampling(max_tokens=16))],
            id="token ids",
        ),
        pytest.param(
            "/v1/completions",
            {"model": "tiny", "prompt": [[1, 2], [3]]},
            [
                GenerateRequest("id", (1, 2), Sampling(max_tokens=16)),
                GenerateRequest("id", (3,), Sampling(max_tokens=16)),
            ],
            id="lists of token ids",
        ),
    ],
)
async def test_the_engine_gets_what_was_asked(path, body, expected):
    engine = FakeGenerationEngine()
    assert (await post(path, body, engine)).status_code == 200
    seen = [
        GenerateRequest("id", request.prompt, request.sampling, request.n)
        for request in engine.requests
    ]
    assert seen == expected
    assert len({request.id for request in engine.requests}) == len(expected)


def chat_event(delta, finish_reason=None, *, index=0, **more):
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "choices": [choice], **more}


async def test_a_chat_stream_has_one_role_one_reason_and_one_end():
    answer = await post("/v1/chat/completions", {**CHAT, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert events_of(answer) == [
        chat_event({"role": "assistant", "content": "HELLO "}),
        chat_event({"content": "BIG "}),
        chat_event({"content": "WORLD"}, "stop"),
        "[DONE]",
    ]


async def test_usage_is_streamed_last_and_only_if_asked_for():
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 1}
    assert events_of(await post("/v1/chat/completions", body)) == [
        chat_event({"role": "assistant", "content": "HELLO"}, "length", usage=None),
        {
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        },
        "[DONE]",
    ]


async def test_choices_of_a_stream_are_interleaved_by_index():
    body = {**CHAT, "stream": True, "n": 2, "max_tokens": 2}
    assert events_of(await post("/v1/chat/completions", body)) == [
        chat_event({"role": "assistant", "content": "HELLO "}, index=0),
        chat_event({"role": "assistant", "content": "HELLO "}, index=1),
        chat_event({"content": "BIG"}, "length", index=0),
        chat_event({"content": "BIG"}, "length", index=1),
        "[DONE]",
    ]


async def test_prompts_of_a_stream_are_told_apart_by_index():
    body = {**COMPLETION, "prompt": ["a b", "c"], "stream": True}
    assert events_of(await post("/v1/completions", body)) == [
        *(
            {
                "object": "text_completion",
                "choices": [
                    {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
                ],
            }
            for index, text, reason in [(0, "A ", None), (1, "C", "stop"), (0, "B", "stop")]
        ),
        "[DONE]",
    ]


FAULT = {
    "error": {
        "message": "The model failed.",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
}
BUG = {
    "error": {
        "message": "The server failed on this request; its log has the details.",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
}


@pytest.mark.parametrize(
    ("prompt", "events"),
    [("good fail better", FAULT), ("good bug better", BUG)],
    ids=["a fault of the engine", "an unforeseen error"],
)
async def test_a_late_error_is_the_last_event_of_the_stream(prompt, events):
    answer = await post("/v1/completions", {**COMPLETION, "prompt": prompt, "stream": True})
    assert answer.status_code == 200
    assert events_of(answer)[1:] == [events]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("fail", FAULT), ("bug", BUG)],
    ids=["a fault of the engine", "an unforeseen error"],
)
async def test_an_early_error_has_a_status_of_its_own(prompt, expected, stream):
    answer = await post("/v1/completions", {**COMPLETION, "prompt": prompt, "stream": stream})
    assert (answer.status_code, answer.json()) == (500, expected)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_overload_says_when_to_come_back(stream):
    answer = await post(
        "/v1/chat/completions", {**CHAT, "stream": stream}, FakeGenerationEngine(capacity=0)
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"] == {
        "message": "No room for the request now.",
        "type": "rate_limit_error",
        "param": None,
        "code": "overloaded",
    }


async def test_all_prompts_are_admitted_or_none():
    engine = FakeGenerationEngine(capacity=3)
    engine.enter(1)  # somebody else's
    answer = await post("/v1/completions", {**COMPLETION, "prompt": ["a", "b", "c"]}, engine)
    assert answer.status_code == 429
    assert engine.inside == 1


async def test_prompts_that_will_never_fit_are_refused_for_good():
    engine = FakeGenerationEngine(capacity=3)
    body = {**COMPLETION, "prompt": ["a", "b"], "n": 2}
    answer = await post("/v1/completions", body, engine)
    assert (answer.status_code, engine.inside) == (400, 0)
    assert answer.json()["error"] == {
        "message": "The request has more prompts than this model takes at once; it has room for 1 "
        "with n=2. Send them in several requests.",
        "type": "invalid_request_error",
        "param": "prompt",
        "code": "invalid_value",
    }


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/completions", {**COMPLETION, "prompt": ""}, "prompt"),
        (
            "/v1/chat/completions",
            {"model": "tiny", "messages": [{"role": "user", "content": ""}]},
            "messages",
        ),
        ("/predict", {"text": ""}, "text"),
    ],
)
async def test_a_fault_about_the_text_names_the_protocols_own_field(path, body, param):
    answer = await post(path, body)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("param", error.get("field"))) == (400, param)


async def test_text_is_never_broken_by_what_it_contains():
    prompt = 'quote" newline\\n \u2028 \U0001f600 data:'
    answer = await post("/v1/completions", {**COMPLETION, "prompt": prompt, "stream": True})
    texts = [event["choices"][0]["text"] for event in events_of(answer)[:-1]]
    assert "".join(texts) == " ".join(prompt.upper().split())
