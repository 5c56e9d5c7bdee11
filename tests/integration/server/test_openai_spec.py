"""Answers held against the schemas of OpenAI's published OpenAPI document.

Its path: `--openai-spec PATH`, or MODELYARD_OPENAI_SPEC.
"""

import functools
import re
from pathlib import Path

import jsonschema
import orjson
import pytest
import yaml

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import build_client


@functools.cache
def read_schemas(path):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(Path(path).read_text(), Loader=loader)  # noqa: S506 - both are safe
    return modernise(document["components"]["schemas"])


def modernise(schema):
    """OpenAPI 3.0's `nullable`, which the document still has in places, as JSON schema says it."""
    if isinstance(schema, list):
        return [modernise(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: modernise(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [changed, {"type": "null"}]} if schema.get("nullable") is True else changed


@pytest.fixture
def check(request):
    path = request.config.getoption("--openai-spec")
    if not path:
        pytest.skip("the path of OpenAI's openapi.yaml is not given (--openai-spec)")
    schemas = read_schemas(path)

    def check(name, content):
        jsonschema.Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        ).validate(content)

    return check


CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hello big world"}]}
COMPLETION = {"model": "tiny", "prompt": ["a b", "c"]}
EMBEDDING = {"model": "tiny", "input": ["a b", "c"]}


def build_engine(path):
    return FakeBatchEngine(Task.EMBEDDINGS) if "embed" in path else FakeGenerationEngine()


@pytest.mark.parametrize(
    ("path", "body", "schema"),
    [
        ("/v1/chat/completions", CHAT, "CreateChatCompletionResponse"),
        ("/v1/chat/completions", {**CHAT, "n": 2}, "CreateChatCompletionResponse"),
        (
            "/v1/chat/completions",
            {**CHAT, "logprobs": True, "top_logprobs": 3},
            "CreateChatCompletionResponse",
        ),
        ("/v1/completions", COMPLETION, "CreateCompletionResponse"),
        ("/v1/completions", {**COMPLETION, "logprobs": 3}, "CreateCompletionResponse"),
        ("/v1/embeddings", EMBEDDING, "CreateEmbeddingResponse"),
        ("/v1/embeddings", {}, "ErrorResponse"),
        ("/v1/completions", {**COMPLETION, "model": "x"}, "ErrorResponse"),
        ("/v1/nothing", {}, "ErrorResponse"),
    ],
)
async def test_answers(check, path, body, schema):
    async with build_client(build_engine(path)) as client:
        answer = await client.post(path, json=body)
    check(schema, answer.json())


@pytest.mark.parametrize(("path", "schema"), [("", "ListModelsResponse"), ("/tiny", "Model")])
async def test_models(check, path, schema):
    async with build_client(FakeGenerationEngine()) as client:
        check(schema, (await client.get(f"/v1/models{path}")).json())


@pytest.mark.parametrize("asked", [{}, {"logprobs": True, "top_logprobs": 3}])
@pytest.mark.parametrize("with_usage", [False, True])
async def test_events_of_a_chat(check, with_usage, asked):
    body = {**CHAT, **asked, "stream": True, "stream_options": {"include_usage": with_usage}}
    async with build_client(FakeGenerationEngine()) as client:
        answer = await client.post("/v1/chat/completions", json=body)
    events = re.findall(r"data: ({.*})\n\n", answer.text)
    assert len(events) == 3 + with_usage
    for event in events:
        check("CreateChatCompletionStreamResponse", orjson.loads(event))


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/chat/completions", "CreateChatCompletionRequest"),
        ("/v1/completions", "CreateCompletionRequest"),
        ("/v1/embeddings", "CreateEmbeddingRequest"),
    ],
)
async def test_every_parameter_of_the_document_is_known(check, request, path, schema):
    """A parameter that OpenAI adds is refused as unknown until someone decides what it means."""
    del check  # it skips where the document is not given
    schemas = read_schemas(request.config.getoption("--openai-spec"))
    async with build_client(build_engine(path)) as client:
        document = (await client.get("/openapi.json")).json()
    route = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    ours = document["components"]["schemas"][route["schema"]["$ref"].rpartition("/")[2]]
    assert set(ours["properties"]) == parameters_of(schemas, schema)


def parameters_of(schemas, name):
    schema = schemas[name]
    own = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        reference = part.get("$ref")
        own |= set(part.get("properties", {}))
        own |= parameters_of(schemas, reference.rpartition("/")[2]) if reference else set()
    return own
