"""What OpenAI's routes refuse by name, and what they accept because it asks for nothing."""

import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello world"}]}
COMPLETION = {"model": "tiny", "prompt": "hello world"}
EMBEDDING = {"model": "tiny", "input": "hello world"}

ROUTES = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETION,
    "/v1/embeddings": EMBEDDING,
}


async def post(path, body):
    engine = (
        FakeBatchEngine(Task.EMBEDDINGS) if path == "/v1/embeddings" else FakeGenerationEngine()
    )
    async with build_client(engine) as client:
        return await client.post(path, json=body)


def refusal(message, param, code):
    return {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": param,
            "code": code,
        }
    }


UNSUPPORTED_BY_CHAT = {
    "audio": {"voice": "alloy", "format": "wav"},
    "function_call": "auto",
    "functions": [{"name": "f"}],
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni-moderation-latest"},
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "high",
    "response_format": {"type": "json_object"},
    "service_tier": "flex",
    "store": True,
    "tool_choice": "auto",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "verbosity": "low",
    "web_search_options": {},
}
UNSUPPORTED_BY_COMPLETIONS = {
    "best_of": 2,
    "echo": True,
    "suffix": "the end",
}


@pytest.mark.parametrize(
    ("path", "param", "value"),
    [
        *(("/v1/chat/completions", *item) for item in UNSUPPORTED_BY_CHAT.items()),
        *(("/v1/completions", *item) for item in UNSUPPORTED_BY_COMPLETIONS.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_known_parameter_without_effect_here_is_refused_by_name(path, param, value):
    answer = await post(path, {**ROUTES[path], param: value})
    assert answer.status_code == 400
    message = f"This server does not support the parameter {param!r} with this value."
    assert answer.json() == refusal(message, param, "unsupported_parameter")


@pytest.mark.parametrize("path", ROUTES)
async def test_an_unknown_parameter_is_refused_by_name(path):
    answer = await post(path, {**ROUTES[path], "top_q": 1})
    assert answer.status_code == 400
    assert answer.json() == refusal("Unknown parameter: 'top_q'.", "top_q", "unknown_parameter")


NO_EFFECT = {
    "/v1/chat/completions": {
        "annotations of an earlier answer": {
            "messages": [
                {
                    "role": "assistant",
                    "content": "hello",
                    "refusal": None,
                    "annotations": [],
                    "audio": None,
                    "function_call": None,
                    "tool_calls": None,
                }
            ]
        },
        "nulls everywhere": dict.fromkeys(
            [
                *UNSUPPORTED_BY_CHAT,
                *("temperature", "top_p", "n", "max_tokens", "max_completion_tokens"),
                *("stop", "seed", "stream", "stream_options", "user", "metadata"),
                *("frequency_penalty", "presence_penalty", "logit_bias"),
                *("logprobs", "top_logprobs"),
            ]
        ),
        "penalties of zero": {"frequency_penalty": 0, "presence_penalty": 0.0},
        "no tools": {"tools": [], "tool_choice": "none", "parallel_tool_calls": True},
        "plain text": {"response_format": {"type": "text"}, "modalities": ["text"]},
        "no log probabilities": {"logprobs": False, "logit_bias": {}},
        "the default tier": {"service_tier": "auto", "store": False},
        "information about the caller": {
            "user": "me",
            "metadata": {"a": "b"},
            "safety_identifier": "x",
            "prompt_cache_key": "y",
        },
    },
    "/v1/completions": {
        "nulls everywhere": dict.fromkeys(
            [*UNSUPPORTED_BY_COMPLETIONS, "max_tokens", "user", "logprobs", "logit_bias"]
        ),
        "defaults": {"best_of": 1, "echo": False, "presence_penalty": 0},
    },
    "/v1/embeddings": {"information about the caller": {"user": "me"}},
}


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        pytest.param(path, extra, id=f"{path} {what}")
        for path, cases in NO_EFFECT.items()
        for what, extra in cases.items()
    ],
)
async def test_values_that_ask_for_nothing_are_accepted(path, extra):
    answer = await post(path, {**ROUTES[path], **extra})
    assert (answer.status_code, answer.json().get("error")) == (200, None)


BAD_VALUES = [
    ("a name without end", "/v1/completions", {"model": "x" * 257}, "model"),
    ("a parameter without end", "/v1/embeddings", {"x" * 1000: 1}, "x" * 64),
    ("a temperature over 2", "/v1/chat/completions", {"temperature": 2.1}, "temperature"),
    ("a negative temperature", "/v1/completions", {"temperature": -0.1}, "temperature"),
    ("a temperature of true", "/v1/completions", {"temperature": True}, "temperature"),
    ("a temperature in quotes", "/v1/completions", {"temperature": "1"}, "temperature"),
    ("top_p over 1", "/v1/completions", {"top_p": 1.5}, "top_p"),
    ("no tokens", "/v1/chat/completions", {"max_tokens": 0}, "max_tokens"),
    ("half a token", "/v1/completions", {"max_tokens": 1.5}, "max_tokens"),
    ("true tokens", "/v1/completions", {"max_tokens": True}, "max_tokens"),
    ("very many tokens", "/v1/completions", {"max_tokens": 2**40}, "max_tokens"),
    ("no choices", "/v1/chat/completions", {"n": 0}, "n"),
    ("many choices", "/v1/chat/completions", {"n": 17}, "n"),
    ("five stops", "/v1/chat/completions", {"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ("an empty stop", "/v1/chat/completions", {"stop": ""}, "stop"),
    ("an empty stop in a list", "/v1/completions", {"stop": ["a", ""]}, "stop"),
    ("a stop of tokens", "/v1/completions", {"stop": [1]}, "stop"),
    ("a seed beyond 64 bits", "/v1/completions", {"seed": 2**64}, "seed"),
    ("stream as text", "/v1/completions", {"stream": "true"}, "stream"),
    (
        "obfuscation",
        "/v1/completions",
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        "stream_options.include_obfuscation",
    ),
    (
        "an unknown stream option",
        "/v1/completions",
        {"stream": True, "stream_options": {"x": 1}},
        "stream_options.x",
    ),
    ("no messages", "/v1/chat/completions", {"messages": []}, "messages"),
    (
        "a tool's message",
        "/v1/chat/completions",
        {"messages": [{"role": "tool", "content": "x"}]},
        "messages[0].role",
    ),
    (
        "a message without content",
        "/v1/chat/completions",
        {"messages": [{"role": "user"}]},
        "messages[0].content",
    ),
    (
        "an image",
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content",
    ),
    (
        "a named speaker",
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "x", "name": "Ann"}]},
        "messages[0].name",
    ),
    ("no prompts", "/v1/completions", {"prompt": []}, "prompt"),
    ("an empty list of tokens", "/v1/completions", {"prompt": [[]]}, "prompt"),
    ("a negative token", "/v1/completions", {"prompt": [-1]}, "prompt"),
    ("tokens and texts", "/v1/completions", {"prompt": [1, "a"]}, "prompt"),
    ("true as a token", "/v1/completions", {"prompt": [True]}, "prompt"),
    ("many prompts", "/v1/completions", {"prompt": ["a"] * 65}, "prompt"),
    ("a number as input", "/v1/embeddings", {"input": 1}, "input"),
    ("many inputs", "/v1/embeddings", {"input": ["a"] * 2049}, "input"),
    ("hexadecimal vectors", "/v1/embeddings", {"encoding_format": "hex"}, "encoding_format"),
    ("other dimensions", "/v1/embeddings", {"dimensions": 2}, "dimensions"),
]


@pytest.mark.parametrize(
    ("path", "extra", "param"),
    [case[1:] for case in BAD_VALUES],
    ids=[case[0] for case in BAD_VALUES],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(path, extra, param):
    answer = await post(path, {**ROUTES[path], **extra})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/v1/chat/completions", "model"),
        ("/v1/chat/completions", "messages"),
        ("/v1/completions", "prompt"),
        ("/v1/embeddings", "input"),
    ],
)
async def test_a_missing_parameter_is_named(path, missing):
    body = {key: value for key, value in ROUTES[path].items() if key != missing}
    answer = await post(path, body)
    assert answer.status_code == 400
    message = f"Missing required parameter: {missing!r}."
    assert answer.json() == refusal(message, missing, "missing_required_parameter")


CONFLICTS = [
    (
        "/v1/chat/completions",
        {"max_tokens": 1, "max_completion_tokens": 1},
        "max_tokens",
        "'max_tokens' is the old name of 'max_completion_tokens'; set only one of them.",
    ),
    (
        "/v1/chat/completions",
        {"stream_options": {"include_usage": True}},
        "stream_options",
        "'stream_options' may only be set when 'stream' is true.",
    ),
    (
        "/v1/completions",
        {"n": 2, "best_of": 1},
        "best_of",
        "'best_of' must not be smaller than 'n'.",
    ),
]


@pytest.mark.parametrize(("path", "extra", "param", "message"), CONFLICTS)
async def test_parameters_that_contradict_each_other_are_refused(path, extra, param, message):
    answer = await post(path, {**ROUTES[path], **extra})
    assert answer.status_code == 400
    assert answer.json() == refusal(message, param, "invalid_value")
