"""Whatever goes wrong is told in the envelope of the protocol whose path was asked."""

import pytest

from modelyard_api.report import ReportedError
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client, build_life

JSON = {"content-type": "application/json"}


def openai_error(message, code, *, param=None, kind="invalid_request_error"):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def plain_error(message, code, *, field=None):
    return {"error": {"code": code, "message": message, "field": field}}


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        (
            "GET",
            "/v1/nothing",
            404,
            openai_error("There is no route GET /v1/nothing.", "not_found"),
        ),
        ("GET", "/nothing", 404, plain_error("There is no route GET /nothing.", "not_found")),
        ("GET", "/redoc", 404, plain_error("There is no route GET /redoc.", "not_found")),
        (
            "GET",
            "/v1/completions",
            405,
            openai_error("/v1/completions does not take GET.", "method_not_allowed"),
        ),
        (
            "DELETE",
            "/predict",
            405,
            plain_error("/predict does not take DELETE.", "method_not_allowed"),
        ),
    ],
)
async def test_a_wrong_address_or_method_is_explained(method, path, status, expected):
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()) == (status, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model": "tiny", }',
        b'{"model": "\\ud800"}',
        b"[" * 100_000,
        b'{"model": NaNa}',
    ],
    ids=["empty", "cut", "not UTF-8", "a comma", "half a character", "deep", "no number"],
)
async def test_a_body_that_is_no_json_is_refused(body):
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.post("/v1/completions", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_what_is_no_number_is_refused(number):
    body = f'{{"model": "tiny", "prompt": "a", "temperature": {number}}}'
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.post("/v1/completions", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "temperature")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
async def test_a_body_that_is_not_declared_as_json_is_refused(kind):
    headers = {"content-type": kind} if kind else {}
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.post("/predict", content=b'{"text": "a"}', headers=headers)
    assert answer.status_code == 415
    assert answer.json() == plain_error(
        "Send JSON with the header Content-Type: application/json.", "unsupported_media_type"
    )


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.x+json"])
async def test_kinds_of_json_are_accepted(kind):
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.post(
            "/predict", content=b'{"text": "a"}', headers={"content-type": kind}
        )
    assert answer.status_code == 200


async def in_pieces(size, count):
    for _ in range(count):
        yield b" " * size


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/v1/completions",
            openai_error("The body is larger than 1000 bytes.", "body_too_large"),
        ),
        (
            "/predict",
            plain_error("The body is larger than 1000 bytes.", "body_too_large"),
        ),
    ],
)
@pytest.mark.parametrize("content", [b" " * 1001, in_pieces], ids=["declared", "in pieces"])
async def test_a_body_that_is_too_large_is_refused(path, expected, content):
    body = content if isinstance(content, bytes) else content(100, 20)
    async with build_client(
        FakeGenerationEngine(), settings=Settings(max_body_bytes=1000)
    ) as client:
        answer = await client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()) == (413, expected)
    assert answer.headers["connection"] == "close"


async def test_another_models_name_is_not_found():
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.post("/v1/completions", json={"model": "gpt-9", "prompt": "a"})
    assert answer.status_code == 404
    assert answer.json() == openai_error(
        "The model 'gpt-9' is not served here; this is 'tiny'.", "model_not_found", param="model"
    )


@pytest.mark.parametrize(
    ("task", "path", "body", "message"),
    [
        (
            Task.EMBEDDINGS,
            "/v1/completions",
            {"prompt": "a"},
            (
                "The model 'tiny' does embeddings, not text-generation; it is served at "
                "/v1/embeddings, /v1/rerank, /predict, /embeddings."
            ),
        ),
        (
            Task.TEXT_CLASSIFICATION,
            "/v1/embeddings",
            {"input": "a"},
            (
                "The model 'tiny' does text-classification, not embeddings; it is served at "
                "/predict, /text-classification, /explain."
            ),
        ),
    ],
)
async def test_a_route_of_another_task_names_the_right_ones(task, path, body, message):
    async with build_client(FakeBatchEngine(task)) as client:
        answer = await client.post(path, json={"model": "tiny", **body})
    assert (answer.status_code, answer.json()) == (404, openai_error(message, "unsupported_task"))


def loading():
    return build_life(None)


def draining_late():
    life = build_life(FakeGenerationEngine())
    life.begin_drain()
    life.stop_admitting()
    return life


def dead():
    engine = FakeGenerationEngine()
    engine.kill()
    return build_life(engine)


def failed():
    life = build_life(None)
    life.fail(ReportedError(reason="LoadFailed", message="no"))
    return life


@pytest.mark.parametrize(
    ("build", "message", "code"),
    [
        (loading, "The model is still being loaded.", "model_loading"),
        (
            draining_late,
            "This process is shutting down; try again for another one.",
            "unavailable",
        ),
        (dead, "The model's engine has died; the process is being replaced.", "unavailable"),
        (failed, "This process is shutting down; try again for another one.", "unavailable"),
    ],
    ids=["loading", "at the end of a drain", "dead", "failed"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_process_that_is_not_ready_says_so(build, message, code, stream):
    async with build_client(life=build()) as client:
        answer = await client.post(
            "/v1/completions", json={"model": "tiny", "prompt": "a", "stream": stream}
        )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == openai_error(message, code, kind="server_error")


async def test_requests_that_arrive_while_a_drain_begins_are_served_and_sent_away():
    life = build_life(FakeGenerationEngine())
    life.begin_drain()
    async with build_client(life=life) as client:
        answer = await client.post("/predict", json={"text": "a"})
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
