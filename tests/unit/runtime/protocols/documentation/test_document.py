"""The OpenAPI document of each task: complete, sound, and with examples that are answered."""

import asyncio
import json
import re

import httpx
import pytest
from jsonschema import Draft202012Validator

from modelyard_api.v1alpha1 import Task
from modelyard_cli.key import hash_key
from modelyard_runtime.access.key_folder import open_keys
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.server import build_app
from modelyard_runtime.settings import Settings
from tests.support.documented import (
    JSON,
    list_operations,
    list_promised,
    read_document,
    send_examples,
)
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.fake_media import FakeMediaEngine
from tests.support.runtime_server import MODEL, build_client, build_life
from tests.support.scripted_items import ScriptedItems
from tests.support.tensor_engine import FakeTensorEngine

MEDIA = (Task.IMAGE_CLASSIFICATION, Task.OBJECT_DETECTION, Task.AUTOMATIC_SPEECH_RECOGNITION)
TEXTS = (Task.EMBEDDINGS, Task.FILL_MASK, Task.TEXT_CLASSIFICATION)
ENGINES = {
    Task.TEXT_GENERATION: FakeGenerationEngine,
    Task.PREDICT: FakeTensorEngine,
    **{task: lambda task=task: FakeBatchEngine(task) for task in TEXTS},
    **{task: lambda task=task: FakeMediaEngine(task) for task in MEDIA},
}
#: Their documents are looked at; their answers are those of real models, elsewhere.
SCRIPTED = {
    task: lambda task=task: ScriptedItems(task, None)
    for task in set(Task) - set(ENGINES) - {Task.AUTO}
}
LOADING = "while the model loads"
ALL = {**ENGINES, **SCRIPTED, LOADING: lambda: None}


@pytest.fixture(scope="module", params=sorted(ALL))
def document(request):
    async def read():
        async with build_client(ALL[request.param]()) as client:
            return await read_document(client)

    return asyncio.run(read())


def test_every_operation_says_what_it_does_and_what_it_answers(document):
    ids = [operation["operationId"] for _, _, operation in list_operations(document)]
    assert len(set(ids)) == len(ids)
    for path, method, operation in list_operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert operation["tags"], (path, method)
        for status, answer in operation["responses"].items():
            assert answer["description"], (path, method, status)
            assert all(part["schema"] for part in answer["content"].values()), (path, status)


def test_all_that_is_referred_to_is_there(document):
    text = json.dumps(document)
    referred = re.findall(r'"\$ref": "([^"]+)"', text)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(referred) <= known


def test_addresses_declare_their_parameters_with_an_example(document):
    for path, _, operation in list_operations(document):
        declared = {one["name"]: one for one in operation.get("parameters", ())}
        in_path = {name for name, one in declared.items() if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        for one in declared.values():
            assert one["example"] in {MODEL, "1"}


def test_schemas_are_schemas_and_examples_fit_theirs(document):
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for path, _, operation in list_operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get(JSON)
        if content is not None and "example" in content:
            whole = {**content["schema"], "components": {"schemas": schemas}}
            problems = list(Draft202012Validator(whole).iter_errors(content["example"]))
            assert problems == [], path


@pytest.mark.parametrize("task", ENGINES)
async def test_each_example_is_answered(task):
    async with build_client(ENGINES[task]()) as client:
        document = await read_document(client)
        statuses = await send_examples(client, document)
    good = {operation for operation, status in statuses.items() if status == 200}
    # This engine takes arrays, and JSON has none.
    only_arrays = {"post /predict", "post /tensors"} if task is Task.PREDICT else set()
    forms = {"post /v1/audio/transcriptions"}
    assert good == list_promised(document) - only_arrays - forms


async def test_a_model_without_a_chat_template_shows_no_chats():
    async with build_client(FakeGenerationEngine(takes_chats=False)) as client:
        paths = (await read_document(client))["paths"]
    assert "/v1/chat/completions" not in paths
    assert "/v1/completions" in paths


async def test_what_may_come_as_events_says_so():
    async with build_client(FakeGenerationEngine()) as client:
        paths = (await read_document(client))["paths"]
    for path in ("/v1/chat/completions", "/v1/completions"):
        content = paths[path]["post"]["responses"]["200"]["content"]
        assert set(content) == {JSON, "text/event-stream"}
        assert content["text/event-stream"]["schema"]["type"] == "string"
        assert "$ref" in content[JSON]["schema"]


async def test_a_form_names_the_model_and_makes_nothing_up():
    async with build_client(FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION)) as client:
        paths = (await read_document(client))["paths"]
        form = paths["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]
        fields = form["multipart/form-data"]["schema"]["properties"]
        shown = {name: field["example"] for name, field in fields.items() if "example" in field}
        assert (shown.pop("model"), set(shown.values())) == (MODEL, {""})
        answer = await client.post(
            "/v1/audio/transcriptions", data={**shown, "model": MODEL}, files={"file": b"hello"}
        )
    assert (answer.status_code, answer.json()["text"]) == (200, "hello")


async def test_it_changes_when_the_model_is_loaded_and_says_so_to_who_asks_again():
    life = build_life(None)
    async with build_client(life=life) as client:
        before = await client.get("/openapi.json")
        known = {"if-none-match": before.headers["etag"]}
        again = await client.get("/openapi.json", headers=known)
        life.finish_load(FakeGenerationEngine(), seconds=0)
        after = await client.get("/openapi.json", headers=known)
    assert [before.status_code, again.status_code, after.status_code] == [200, 304, 200]
    assert "/embeddings" in before.json()["paths"]
    assert "/embeddings" not in after.json()["paths"]


async def test_keys_are_asked_for_where_they_are_and_not_at_probes(tmp_path):
    (tmp_path / "alice").write_text(hash_key("k"))
    life = build_life(FakeGenerationEngine())
    app = build_app(life, Metrics(life), Settings(), keys=open_keys(tmp_path))
    transport, headers = httpx.ASGITransport(app), {"x-api-key": "k"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://runtime", headers=headers
    ) as client:
        document = await read_document(client)
    assert document["security"] == [{"bearer": []}]
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    open_paths = [path for path, _, one in list_operations(document) if one.get("security") == []]
    assert sorted(open_paths) == ["/livez", "/readyz", "/startupz"]


async def test_no_key_is_asked_for_where_there_is_none():
    async with build_client(FakeGenerationEngine()) as client:
        document = await read_document(client)
    assert "security" not in document
    assert "securitySchemes" not in document["components"]
