"""`/predict`: text in, what the model makes of it out."""

import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.tasks.table import SPECS
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client

ENGINES = {
    Task.TEXT_CLASSIFICATION: lambda: FakeBatchEngine(Task.TEXT_CLASSIFICATION),
    Task.FILL_MASK: lambda: FakeBatchEngine(Task.FILL_MASK),
    Task.EMBEDDINGS: lambda: FakeBatchEngine(Task.EMBEDDINGS),
    Task.TEXT_GENERATION: FakeGenerationEngine,
}


async def post(task, path, body):
    async with build_client(ENGINES[task]()) as client:
        return await client.post(path, json=body)


async def predict(task, body):
    return await post(task, "/predict", body)


GOOD = {"label": "POSITIVE", "score": 0.75}
BAD = {"label": "NEGATIVE", "score": 0.75}


@pytest.mark.parametrize(
    ("task", "body", "expected"),
    [
        pytest.param("text-classification", {"text": "good"}, GOOD, id="a label"),
        pytest.param(
            "text-classification", {"text": ["good", "bad"]}, [GOOD, BAD], id="labels for a list"
        ),
        pytest.param("text-classification", {"text": ["good"]}, [GOOD], id="a list of one"),
        pytest.param(
            "text-classification",
            {"text": "good", "top_k": 5},
            {**GOOD, "top": [GOOD, {"label": "NEGATIVE", "score": 0.25}]},
            id="the best labels",
        ),
        pytest.param(
            "text-classification",
            {"text": "good", "top_k": 1},
            {**GOOD, "top": [GOOD]},
            id="the best label as a list",
        ),
        pytest.param(
            "embeddings", {"text": "a"}, {"embedding": [1.0, 1.0, 0.1, -0.5]}, id="a vector"
        ),
        pytest.param(
            "fill-mask",
            {"text": "a _ sat"},
            {
                "token": "cat",
                "score": 0.5,
                "masks": [[{"token": "cat", "score": 0.5, "text": "a cat sat"}]],
            },
            id="candidates for a mask",
        ),
        pytest.param("text-generation", {"text": "a b"}, {"text": "A B"}, id="a continuation"),
        pytest.param(
            "text-generation",
            {"text": ["a b", "c d"], "max_tokens": 1},
            [{"text": "A"}, {"text": "C"}],
            id="short continuations",
        ),
    ],
)
async def test_each_task_has_its_answer(task, body, expected):
    answer = await predict(Task(task), body)
    assert (answer.status_code, answer.json()) == (200, expected)


@pytest.mark.parametrize("task", ENGINES)
async def test_each_task_has_a_route_of_its_own(task):
    own = await post(task, SPECS[task].route, {"text": "good"})
    assert own.status_code == 200
    assert own.json() == (await predict(task, {"text": "good"})).json()


async def test_a_route_of_another_task_tells_where_the_model_is_served():
    answer = await post(Task.EMBEDDINGS, "/fill-mask", {"no": "matter"})
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        {
            "code": "unsupported_task",
            "message": "The model 'tiny' does embeddings, not fill-mask; it is served at "
            "/v1/embeddings, /v1/rerank, /predict, /embeddings.",
            "field": None,
        },
    )


@pytest.mark.parametrize(
    ("task", "body", "status", "code", "field"),
    [
        ("embeddings", {}, 400, "missing_required_parameter", "text"),
        ("embeddings", {"text": 1}, 400, "invalid_type", "text"),
        ("embeddings", {"text": []}, 400, "invalid_type", "text"),
        ("embeddings", {"text": "a", "inputs": "b"}, 400, "unknown_parameter", "inputs"),
        ("embeddings", {"text": "a", "top_k": 1}, 400, "unknown_parameter", "top_k"),
        ("embeddings", {"text": "a", "max_tokens": 1}, 400, "unknown_parameter", "max_tokens"),
        ("text-generation", {"text": "a", "top_k": 1}, 400, "unknown_parameter", "top_k"),
        ("text-classification", {"text": "a", "top_k": 0}, 400, "invalid_value", "top_k"),
        ("text-classification", {"text": ""}, 400, "invalid_value", "text"),
        ("text-classification", {"text": "fail"}, 500, "internal_error", None),
        ("text-classification", {"text": "full"}, 429, "overloaded", None),
        ("text-generation", {"text": "bug"}, 500, "internal_error", None),
    ],
)
async def test_a_refusal_is_in_the_plain_envelope(task, body, status, code, field):
    answer = await predict(Task(task), body)
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "field"}
    assert (answer.status_code, error["code"], error["field"]) == (status, code, field)


async def test_a_field_in_the_address_is_refused_and_what_is_no_field_is_not():
    engine = ENGINES[Task.TEXT_CLASSIFICATION]()
    async with build_client(engine) as client:
        refused = await client.post("/predict?top_k=2", json={"text": "good"})
        answer = await client.post("/predict?api-version=1", json={"text": "good"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "top_k")
    assert (answer.status_code, answer.json()) == (200, GOOD)
