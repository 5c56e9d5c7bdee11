"""`/v1/audio/transcriptions`: a form in, text out, and nothing ignored."""

import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine
from tests.support.fake_media import FakeMediaEngine
from tests.support.runtime_server import build_client

ROUTE = "/v1/audio/transcriptions"
USAGE = {"type": "duration", "seconds": 2}


async def post(data=b"good morning", *, engine=None, file="file", **fields):
    engine = engine or FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION)
    parts = {name: (None, value) for name, value in {"model": "tiny", **fields}.items()}
    if data is not None:
        parts[file] = ("a.wav", data, "audio/wav")
    async with build_client(engine) as client:
        return await client.post(ROUTE, files=parts)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"response_format": "json", "temperature": "0", "language": "de"},
        {"temperature": "0.0", "stream": "false", "prompt": "", "chunking_strategy": "auto"},
        {"user": "somebody"},
    ],
)
async def test_the_text_comes_as_json(fields):
    answer = await post(**fields)
    assert (answer.status_code, answer.json()) == (200, {"text": "good morning", "usage": USAGE})


async def test_the_text_comes_alone():
    answer = await post(response_format="text")
    assert answer.text == "good morning"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_language_is_told_to_the_model():
    engine = FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION)
    await post(engine=engine, language="de")
    assert [(item.data, item.language) for item in engine.items] == [(b"good morning", "de")]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"temperature": "0.5"}, 400, "unsupported_parameter", "temperature"),
        ({"temperature": "hot"}, 400, "invalid_value", "temperature"),
        ({"stream": "true"}, 400, "unsupported_parameter", "stream"),
        ({"prompt": "Names: Zoë"}, 400, "unsupported_parameter", "prompt"),
        ({"response_format": "srt"}, 400, "invalid_value", "response_format"),
        ({"response_format": "verbose_json"}, 400, "invalid_value", "response_format"),
        ({"include[]": "logprobs"}, 400, "unsupported_parameter", "include[]"),
        (
            *({"timestamp_granularities[]": "word"}, 400, "unsupported_parameter"),
            "timestamp_granularities[]",
        ),
        ({"chunking_strategy": "{}"}, 400, "unsupported_parameter", "chunking_strategy"),
        ({"language": "x"}, 400, "invalid_value", "language"),
        ({"language": "xx"}, 400, "invalid_value", "language"),
        ({"speed": "2"}, 400, "unknown_parameter", "speed"),
        ({"model": "whisper-1"}, 404, "model_not_found", "model"),
        ({"data": b"broken"}, 400, "invalid_value", "file"),
        ({"data": b""}, 400, "invalid_value", "file"),
        ({"data": None}, 400, "missing_required_parameter", "file"),
        ({"file": "audio"}, 400, "invalid_value", "file"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(fields, status, code, param):
    answer = await post(**fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"


async def test_it_is_a_form():
    async with build_client(FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION)) as client:
        answer = await client.post(ROUTE, json={"file": "YQ==", "model": "tiny"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_model_of_another_task_says_where_it_is_served():
    answer = await post(engine=FakeBatchEngine(Task.EMBEDDINGS))
    assert answer.json()["error"]["code"] == "unsupported_task"


async def test_the_document_has_the_form():
    async with build_client(FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION)) as client:
        document = (await client.get("/openapi.json")).json()
    content = document["paths"][ROUTE]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    assert form["properties"]["file"] == {"type": "string", "format": "binary"}
    assert form["required"] == ["file", "model"]
    assert "timestamp_granularities[]" in form["properties"]
