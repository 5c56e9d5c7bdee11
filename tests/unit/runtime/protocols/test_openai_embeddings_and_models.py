"""Embeddings and the list of models."""

import base64

import numpy as np
import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client

HELLO = [11.0, 2.0, 0.1, -0.5]
NUMBERS = [5.0, 3.0, 0.1, -0.5]


async def embed(**body):
    async with build_client(FakeBatchEngine(Task.EMBEDDINGS)) as client:
        return await client.post("/v1/embeddings", json={"model": "tiny", **body})


@pytest.mark.parametrize(
    ("given", "vectors", "tokens"),
    [
        pytest.param("hello world", [HELLO], 2, id="a text"),
        pytest.param(["hello world", "1 2 3"], [HELLO, NUMBERS], 5, id="texts"),
        pytest.param([1, 2, 3], [NUMBERS], 3, id="token ids"),
        pytest.param([[1, 2, 3], [1, 2, 3]], [NUMBERS, NUMBERS], 6, id="lists of token ids"),
    ],
)
async def test_each_input_has_its_vector_in_order(given, vectors, tokens):
    answer = await embed(input=given, dimensions=4)
    assert answer.json() == {
        "object": "list",
        "model": "tiny",
        "data": [
            {"object": "embedding", "index": i, "embedding": vector}
            for i, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


async def test_base64_is_of_little_endian_float32():
    answer = await embed(input="hello world", encoding_format="base64")
    decoded = np.frombuffer(base64.b64decode(answer.json()["data"][0]["embedding"]), dtype="<f4")
    assert decoded.tolist() == np.array(HELLO, dtype=np.float32).tolist()


async def test_other_dimensions_are_refused_with_those_there_are():
    answer = await embed(input="hello world", dimensions=2)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "This model's vectors have 4 dimensions, and other lengths are not supported; "
        "'dimensions' is 2."
    )


CARD_KEYS = {"id", "object", "created", "owned_by"}


async def test_the_model_is_listed_and_described():
    async with build_client(FakeGenerationEngine()) as client:
        listed = (await client.get("/v1/models")).json()
        described = (await client.get("/v1/models/tiny")).json()
    assert listed == {"object": "list", "data": [described]}
    assert set(described) == CARD_KEYS
    assert (described["id"], described["object"]) == ("tiny", "model")


@pytest.mark.parametrize("name", ["other", "org/other", "tiny/", ""])
async def test_another_model_is_not_found(name):
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.get(f"/v1/models/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_name_without_end_is_told_of_in_short():
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.get(f"/v1/models/{'o' * 20_000}")
    named = "o" * 256
    assert answer.json()["error"]["message"] == (
        f"The model '{named}' is not served here; this is 'tiny'."
    )
