"""Penalties, biases and logprobs: what is refused, and what reaches the engine."""

import pytest

from modelyard_runtime.domain import Sampling
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import build_client

ROUTES = {
    "/v1/chat/completions": {
        "model": "tiny",
        "messages": [{"role": "user", "content": "hello world"}],
        "max_tokens": 2,
    },
    "/v1/completions": {"model": "tiny", "prompt": "hello world", "max_tokens": 2},
}


async def post(path, extra, engine=None):
    async with build_client(engine or FakeGenerationEngine()) as client:
        return await client.post(path, json={**ROUTES[path], **extra})


@pytest.mark.parametrize("path", ROUTES)
async def test_penalties_and_biases_reach_the_engine(path):
    engine = FakeGenerationEngine()
    asked = {
        "frequency_penalty": 0.5,
        "presence_penalty": -1,
        "logit_bias": {"50256": -100, "0": 0.5},
    }
    assert (await post(path, asked, engine)).status_code == 200
    assert [request.sampling for request in engine.requests] == [
        Sampling(
            max_tokens=2,
            frequency_penalty=0.5,
            presence_penalty=-1,
            logit_bias=((50256, -100), (0, 0.5)),
        )
    ]


@pytest.mark.parametrize(
    ("path", "asked", "count"),
    [
        ("/v1/chat/completions", {"logprobs": True}, 0),
        ("/v1/chat/completions", {"logprobs": True, "top_logprobs": 20}, 20),
        ("/v1/chat/completions", {"logprobs": False}, None),
        ("/v1/completions", {"logprobs": 5}, 5),
        ("/v1/completions", {"logprobs": 0}, 0),
        ("/v1/completions", {}, None),
    ],
)
async def test_so_many_of_the_likeliest_are_asked_for(path, asked, count):
    engine = FakeGenerationEngine()
    assert (await post(path, asked, engine)).status_code == 200
    assert [request.sampling.logprobs for request in engine.requests] == [count]


BAD_VALUES = [
    ("a penalty over 2", "/v1/chat/completions", {"presence_penalty": 2.01}, "presence_penalty"),
    ("a penalty under -2", "/v1/completions", {"frequency_penalty": -2.5}, "frequency_penalty"),
    ("a penalty in quotes", "/v1/completions", {"presence_penalty": "1"}, "presence_penalty"),
    ("a bias over 100", "/v1/chat/completions", {"logit_bias": {"5": 101}}, "logit_bias.5"),
    ("a bias of true", "/v1/completions", {"logit_bias": {"5": True}}, "logit_bias.5"),
    ("a bias on a word", "/v1/chat/completions", {"logit_bias": {"hello": 1}}, "logit_bias"),
    ("a bias on -1", "/v1/completions", {"logit_bias": {"-1": 1}}, "logit_bias"),
    ("a bias on 007", "/v1/completions", {"logit_bias": {"007": 1}}, "logit_bias"),
    ("a bias on 10^4000", "/v1/completions", {"logit_bias": {"1" + "0" * 4000: 1}}, "logit_bias"),
    ("a bias on an empty key", "/v1/completions", {"logit_bias": {"": 1}}, "logit_bias"),
    ("a bias on nothing", "/v1/completions", {"logit_bias": [5, 1]}, "logit_bias"),
    (
        "many biases",
        "/v1/completions",
        {"logit_bias": {str(token): 1 for token in range(1025)}},
        "logit_bias",
    ),
    ("logprobs of 1 in a chat", "/v1/chat/completions", {"logprobs": 1}, "logprobs"),
    (
        "21 likeliest tokens",
        "/v1/chat/completions",
        {"logprobs": True, "top_logprobs": 21},
        "top_logprobs",
    ),
    (
        "-1 likeliest tokens",
        "/v1/chat/completions",
        {"logprobs": True, "top_logprobs": -1},
        "top_logprobs",
    ),
    ("6 likeliest tokens of a text", "/v1/completions", {"logprobs": 6}, "logprobs"),
    ("logprobs of true in a text", "/v1/completions", {"logprobs": True}, "logprobs"),
]


@pytest.mark.parametrize(
    ("path", "extra", "param"),
    [case[1:] for case in BAD_VALUES],
    ids=[case[0] for case in BAD_VALUES],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(path, extra, param):
    answer = await post(path, extra)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


CONFLICTS = [
    (
        "/v1/chat/completions",
        {"top_logprobs": 0},
        "top_logprobs",
        "'top_logprobs' may only be set when 'logprobs' is true.",
    ),
    (
        "/v1/chat/completions",
        {"top_logprobs": 2, "logprobs": False},
        "top_logprobs",
        "'top_logprobs' may only be set when 'logprobs' is true.",
    ),
    (
        "/v1/chat/completions",
        {"logit_bias": {"5": 1, "five": 1}},
        "logit_bias",
        "'logit_bias' has the key 'five', which is no token id.",
    ),
]


@pytest.mark.parametrize(("path", "extra", "param", "message"), CONFLICTS)
async def test_what_does_not_go_together_is_explained(path, extra, param, message):
    answer = await post(path, extra)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": "invalid_value",
    }
