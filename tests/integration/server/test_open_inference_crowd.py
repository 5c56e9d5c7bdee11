"""However many ask at once, and by whatever protocol: each hears the answer to its own question."""

import asyncio
import json

import grpc.aio
import httpx
import hypothesis
import pytest
import pytest_asyncio
from hypothesis import strategies as st

from tests.support.grpc_calls import build_question, call, read_texts
from tests.support.runtime_process import started

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 60
INFER = "/v2/models/tiny/infer"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients():
    """One process whose answers are its questions in upper case, a word at a time."""
    async with started(FAKE_ENGINE_STEP_SECONDS="0.001") as runtime:
        await runtime.says("ready")
        async with (
            httpx.AsyncClient(trust_env=False, base_url=runtime.url, timeout=SOON) as http,
            grpc.aio.insecure_channel(runtime.grpc_address) as channel,
        ):
            yield http, channel


async def ask_plain(http, _channel, texts):
    answer = await http.post("/predict", json={"text": texts})
    return [one["text"] for one in answer.json()]


async def ask_json(http, _channel, texts):
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    answer = await http.post(INFER, json={"id": texts[0], "inputs": [tensor]})
    assert answer.json()["id"] == texts[0]
    return answer.json()["outputs"][0]["data"]


async def ask_binary(http, _channel, texts):
    parts = [text.encode() for text in texts]
    blob = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    head = {
        "parameters": {"binary_data_output": True},
        "inputs": [
            {
                "name": "text",
                "shape": [len(texts), 1],
                "datatype": "BYTES",
                "parameters": {"binary_data_size": len(blob)},
            }
        ],
    }
    content = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(content))}
    answer = await http.post(INFER, content=content + blob, headers=headers)
    return read_texts(answer.content[int(answer.headers["inference-header-content-length"]) :])


async def ask_grpc(_http, channel, texts):
    answer = await call(channel, build_question(*texts, id=texts[0]), timeout=SOON)
    assert answer.id == texts[0]
    return read_texts(answer.raw_output_contents[0])


@hypothesis.given(
    questions=st.lists(
        st.tuples(
            st.sampled_from([ask_plain, ask_json, ask_binary, ask_grpc]),
            st.lists(st.integers(1, 5), min_size=1, max_size=4),
        ),
        min_size=2,
        max_size=32,
    )
)
@hypothesis.settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)
async def test_answers_are_never_mixed_up(clients, questions):
    asked = [
        [" ".join(f"q{i}t{j}w{k}" for k in range(words)) for j, words in enumerate(lengths)]
        for i, (_, lengths) in enumerate(questions)
    ]
    answers = await asyncio.gather(
        *(ask(*clients, texts) for (ask, _), texts in zip(questions, asked, strict=True))
    )
    assert answers == [[text.upper() for text in texts] for texts in asked]
