"""Request ids, the log line of a request, metrics and the report."""

import logging
import re

import httpx
import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.logs import JsonFormatter, TextFormatter
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.server import build_app, build_internal_app
from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client, build_life


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1", True),
        ("urn:uuid:1/2", True),
        ("", False),
        ("a b", False),
        ('a"b', False),
        ("x" * 129, False),
    ],
)
async def test_a_sane_request_id_is_kept_and_any_other_replaced(given, kept):
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.get("/v1/models", headers={"x-request-id": given})
    returned = answer.headers["x-request-id"]
    assert (returned == given) is kept
    assert kept or re.fullmatch(r"[0-9a-f]{32}", returned)


async def test_errors_have_a_request_id_too():
    async with build_client(FakeGenerationEngine()) as client:
        for path, body in (("/nothing", {}), ("/predict", {"text": "bug"})):
            answer = await client.post(path, json=body, headers={"x-request-id": "abc"})
            assert answer.headers["x-request-id"] == "abc"


async def test_each_request_is_one_line(caplog):
    caplog.set_level(logging.INFO)
    async with build_client(FakeGenerationEngine()) as client:
        await client.post("/predict", json={"text": "a"})
        await client.get("/nothing?key=secret")
    lines = [record for record in caplog.records if record.getMessage() == "request"]
    assert [(line.method, line.path, line.status) for line in lines] == [
        ("POST", "/predict", 200),
        ("GET", "/nothing", 404),
    ]


def record(event, **values):
    made = logging.LogRecord("some.logger", logging.INFO, "", 0, event, (), None)
    made.created = 1_700_000_000.5
    vars(made).update(values)
    return made


def test_a_line_is_json():
    line = JsonFormatter().format(record('say "hi"\n', size=1, path="/x"))
    assert line == (
        '{"time":"2023-11-14T22:13:20.500+00:00","level":"info","logger":"some.logger",'
        '"event":"say \\"hi\\"\\n","size":1,"path":"/x"}'
    )


def test_a_line_for_people_is_short():
    assert TextFormatter().format(record("ready", size=1)).endswith(" INFO    ready size=1")


def test_what_clients_send_looks_like_no_line_of_ours():
    line = TextFormatter().format(record("request", path="/ä\r\n12:00:00 INFO \x1b[2J\0"))
    assert line.endswith(r" request path=/ä\r\n12:00:00 INFO \x1b[2J\x00")


async def scrape(life, metrics):
    transport = httpx.ASGITransport(build_internal_app(life, metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    pattern = re.compile(r"^(modelyard_\w+(?:{[^}]*})?) (\S+)$", re.MULTILINE)
    return {name: float(value) for name, value in pattern.findall(answer.text)}


async def test_metrics_count_what_was_done():
    engine = FakeGenerationEngine()
    life = build_life(engine)
    metrics = Metrics(life)
    transport = httpx.ASGITransport(build_app(life, metrics, Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://runtime") as client:
        body = {"model": "tiny", "prompt": "a b c", "n": 2}
        await client.post("/v1/completions", json=body)
        await client.post("/v1/completions", json={**body, "stream": True})
        await client.post("/v1/completions", json={**body, "echo": True})
        await client.get("/readyz")
    for _ in range(3):
        engine.enter(2)
    seen = await scrape(life, metrics)
    expected = {
        "modelyard_requests_running": 3,
        "modelyard_requests_waiting": 0,
        'modelyard_requests_total{code="200"}': 2,
        'modelyard_requests_total{code="400"}': 1,
        'modelyard_tokens_total{kind="prompt"}': 6,
        'modelyard_tokens_total{kind="completion"}': 12,
        "modelyard_request_seconds_count": 3,
        "modelyard_time_to_first_token_seconds_count": 2,
    }
    assert {name: seen[name] for name in expected} == expected


async def test_the_internal_port_has_no_protocols_and_the_public_one_no_metrics():
    life = build_life(FakeGenerationEngine())
    transport = httpx.ASGITransport(build_internal_app(life, Metrics(life)))
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as internal:
        assert (await internal.get("/v1/models")).status_code == 404
    async with build_client(life=life) as public:
        assert (await public.get("/metrics")).status_code == 404
        assert (await public.get("/report")).status_code == 404


ENGINES = {
    Task.TEXT_GENERATION: FakeGenerationEngine,
    Task.EMBEDDINGS: lambda: FakeBatchEngine(Task.EMBEDDINGS),
    Task.FILL_MASK: lambda: FakeBatchEngine(Task.FILL_MASK),
    Task.TEXT_CLASSIFICATION: lambda: FakeBatchEngine(Task.TEXT_CLASSIFICATION),
}


@pytest.mark.parametrize(
    ("task", "bodies"),
    [
        (
            Task.TEXT_GENERATION,
            {
                "/v1/chat/completions": "ChatRequest",
                "/v1/completions": "CompletionRequest",
                "/predict": "GenerationRequest",
                "/text-generation": "GenerationRequest",
            },
        ),
        (
            Task.EMBEDDINGS,
            {
                "/v1/embeddings": "EmbeddingRequest",
                "/v1/rerank": "RerankRequest",
                "/predict": "EmbeddingsRequest",
                "/embeddings": "EmbeddingsRequest",
            },
        ),
        (Task.FILL_MASK, {"/predict": "FillMaskRequest", "/fill-mask": "FillMaskRequest"}),
        (
            Task.TEXT_CLASSIFICATION,
            {
                "/predict": "ClassificationRequest",
                "/text-classification": "ClassificationRequest",
                "/explain": "TextToExplainRequest",
            },
        ),
    ],
)
async def test_openapi_documents_the_routes_of_the_models_task(task, bodies):
    async with build_client(ENGINES[task]()) as client:
        document = (await client.get("/openapi.json")).json()
    referenced = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert referenced <= set(document["components"]["schemas"])
    assert {
        path: item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for path, item in document["paths"].items()
        # What every task has is tested with the Open Inference Protocol.
        if "post" in item and not path.startswith("/v2/")
    } == {path: f"#/components/schemas/{name}" for path, name in bodies.items()}


async def test_openapi_names_what_is_not_supported():
    async with build_client(FakeGenerationEngine()) as client:
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["ChatRequest"]["properties"]["service_tier"]["enum"] == [None, "auto", "default"]
