"""Reranking, in the shape that clients of Cohere's and Jina's routes know."""

import functools
import math
import re

import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.tasks.rerank import QueryDocuments, Relevance
from tests.support.fake_engine import FakeBatchEngine
from tests.support.runtime_server import build_client
from tests.support.scripted_items import ScriptedItems

BODY = {"model": "tiny", "query": "a", "documents": ["x", {"text": "y"}, "z"]}
RANKED = [
    {"index": 1, "relevance_score": 0.75, "document": {"text": "y"}},
    {"index": 0, "relevance_score": 0.25, "document": {"text": "x"}},
    {"index": 2, "relevance_score": 0.25, "document": {"text": "z"}},
]
USAGE = {"prompt_tokens": 9, "total_tokens": 9}


@functools.cache
def served(task):
    """An engine and its client: building the application takes longer than asking."""
    scripted = ScriptedItems(task, Relevance((0.25, 0.75, 0.25), tokens=9))
    engine = scripted if task is Task.RERANK else FakeBatchEngine(task)
    return engine, build_client(engine)


async def post(body, path="/v1/rerank", task=Task.RERANK):
    """The items that the engine saw, and the answer."""
    engine, client = served(task)
    items = getattr(engine, "items", [])
    items.clear()
    answer = await client.post(path, json=body)
    return list(items), answer


@pytest.mark.parametrize(
    ("changes", "results"),
    [
        pytest.param({}, RANKED, id="the best first"),
        pytest.param({"top_n": 1}, RANKED[:1], id="only the best"),
        pytest.param({"top_n": 9}, RANKED, id="more than there are"),
        pytest.param(
            {"return_documents": False, "top_n": 2},
            [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.25}],
            id="without the documents",
        ),
    ],
)
async def test_documents_are_ranked(changes, results):
    items, answer = await post(BODY | changes)
    reply = answer.json()
    assert items == [QueryDocuments("a", ("x", "y", "z"))]
    assert re.fullmatch(r"rerank-[0-9a-f]{32}", reply.pop("id"))
    assert (answer.status_code, reply) == (
        200,
        {"model": "tiny", "results": results, "usage": USAGE},
    )


@pytest.mark.parametrize("path", ["/rerank", "/predict"])
async def test_the_plain_routes_answer_without_an_id(path):
    _, answer = await post({**BODY, "top_n": 1}, path)
    assert (answer.status_code, answer.json()) == (200, {"results": RANKED[:1], "usage": USAGE})


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
async def test_the_models_name_may_be_left_out_but_not_be_wrong(path):
    unnamed = {name: value for name, value in BODY.items() if name != "model"}
    assert (await post(unnamed, path))[1].status_code == 200
    _, answer = await post({**BODY, "model": "other"}, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_an_embedding_model_ranks_by_cosine():
    # The scripted vectors are (characters, words, 0.1, -0.5).
    documents = ["a b c d", "aaaa", "abcdefgh"]
    body = {"query": "aaaa", "documents": documents, "return_documents": False}
    _, answer = await post(body, task=Task.EMBEDDINGS)
    reply = answer.json()
    assert [one["index"] for one in reply["results"]] == [1, 2, 0]
    assert [one["relevance_score"] for one in reply["results"]] == pytest.approx(
        [1.0, 33.26 / math.sqrt(17.26 * 65.26), 32.26 / math.sqrt(17.26 * 65.26)]
    )
    assert reply["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"query": ["a"]}, "query"),
        ({"query": None}, "query"),
        ({"documents": "x"}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": ["x", 1]}, "documents[1]"),
        ({"documents": [{"title": "x"}]}, "documents[0]"),
        ({"documents": ["x"] * 2049}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "1"}, "top_n"),
        ({"return_documents": "no"}, "return_documents"),
        ({"rank_fields": ["text"]}, "rank_fields"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
async def test_what_is_wrong_is_named(path, changes, field):
    items, answer = await post(BODY | changes, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["param" if path == "/v1/rerank" else "field"]) == (400, field)
    assert items == []


@pytest.mark.parametrize(
    ("changes", "field"), [({"query": ""}, "query"), ({"documents": ["x", ""]}, "documents")]
)
async def test_what_an_embedding_model_refuses_is_named(changes, field):
    _, answer = await post(BODY | changes, task=Task.EMBEDDINGS)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_another_task_tells_where_it_is_served():
    _, answer = await post(BODY, task=Task.FILL_MASK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unsupported_task")
