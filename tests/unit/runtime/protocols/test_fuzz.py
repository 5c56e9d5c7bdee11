"""Whatever is sent, the answer is a good one or a 4xx in the route's envelope, and soon."""

import asyncio
import functools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client

SOON = 5
JSON = {"content-type": "application/json"}

VALID = {
    "/v1/chat/completions": {"model": "tiny", "messages": [{"role": "user", "content": "a b"}]},
    "/v1/completions": {"model": "tiny", "prompt": "a b"},
    "/v1/embeddings": {"model": "tiny", "input": "a b"},
    "/v1/rerank": {"query": "a b", "documents": ["c", {"text": "d"}]},
    "/predict": {"text": "a b"},
}
KNOWN = [
    *("model", "messages", "prompt", "input", "text", "stream", "stream_options", "n", "stop"),
    *("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "best_of", "echo"),
    *("logprobs", "logit_bias", "tools", "response_format", "encoding_format", "dimensions"),
    *("top_k", "user", "metadata"),
]

numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 1e308])
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@functools.cache
def client_of(path):
    engine = (
        FakeBatchEngine(Task.EMBEDDINGS)
        if path in {"/v1/embeddings", "/v1/rerank", "/predict"}
        else FakeGenerationEngine()
    )
    return build_client(engine)


async def check(path, content):
    answer = await asyncio.wait_for(
        client_of(path).post(path, content=content, headers=JSON), timeout=SOON
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        keys = {"code", "message", "field"} if path == "/predict" else None
        keys = keys or {"message", "type", "param", "code"}
        assert set(answer.json()["error"]) == keys


fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_route = pytest.mark.parametrize("path", VALID)


@every_route
@given(body=anything)
@fuzz
async def test_any_json(path, body):
    await check(path, json.dumps(body))


@every_route
@given(changes=st.dictionaries(st.sampled_from(KNOWN), anything, min_size=1, max_size=3))
@fuzz
async def test_a_good_request_with_some_fields_replaced(path, changes):
    await check(path, json.dumps({**VALID[path], **changes}))


@every_route
@given(body=st.binary(max_size=64))
@fuzz
async def test_any_bytes(path, body):
    await check(path, body)
