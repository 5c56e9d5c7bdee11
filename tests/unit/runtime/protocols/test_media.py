"""Files come as JSON, as a body of their own or in a form, and bad ones name their field."""

import asyncio

import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.settings import Settings
from tests.support.fake_media import FakeMediaEngine
from tests.support.media_requests import PNG, as_file, as_form, as_json, encode, part
from tests.support.runtime_server import build_client

GOOD = {"label": "GOOD", "score": 0.75}
BAD = {"label": "BAD", "score": 0.75}
TOP = [GOOD, {"label": "BAD", "score": 0.25}]
ROUTES = ["/predict", "/image-classification"]


LONG = encode("good" * 60)


async def post(request, *, route="/predict", settings=None):
    async with build_client(
        FakeMediaEngine(Task.IMAGE_CLASSIFICATION), settings=settings
    ) as client:
        return await client.post(route, **request)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(as_json(image=encode("good")), GOOD, id="base64"),
        pytest.param(as_json(image=f"data:image/png;base64,{encode('good')}"), GOOD, id="data URL"),
        pytest.param(as_json(image=f"{LONG[:76]}\n{LONG[76:]}"), GOOD, id="base64 in lines"),
        pytest.param(
            as_json(image=[encode("good"), encode("not")]), [GOOD, BAD], id="a list of two"
        ),
        pytest.param(as_json(image=[encode("good")]), [GOOD], id="a list of one"),
        pytest.param(
            as_json(image=encode("good"), top_k=5), {**GOOD, "top": TOP}, id="the best labels"
        ),
        pytest.param(as_file(), GOOD, id="the file itself"),
        pytest.param(as_file(top_k="2"), {**GOOD, "top": TOP}, id="a file with a query"),
        pytest.param(
            as_file(headers={"content-type": "Application/Octet-Stream; x=y"}), GOOD, id="any bytes"
        ),
        pytest.param(as_form(part()), GOOD, id="a form"),
        pytest.param(as_form(part(), top_k="2"), {**GOOD, "top": TOP}, id="a form with a number"),
        pytest.param(as_form(part(kind="")), GOOD, id="a form's file of no type"),
    ],
)
async def test_a_file_comes_in_many_ways(route, request_, expected):
    answer = await post(request_, route=route)
    assert (answer.status_code, answer.json()) == (200, expected)


@pytest.mark.parametrize("route", ["/predict", "/automatic-speech-recognition"])
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(as_json(audio=encode("good morning"), language="de"), id="base64"),
        pytest.param(
            as_file(b"good morning", headers={"content-type": "audio/wav"}, language="de"),
            id="the file itself",
        ),
        pytest.param(as_form(part("audio", b"good morning"), language="de"), id="a form"),
    ],
)
async def test_a_recording_comes_in_many_ways(route, request_):
    engine = FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION)
    async with build_client(engine) as client:
        answer = await client.post(route, **request_)
    assert (answer.status_code, answer.json()) == (200, {"text": "good morning", "seconds": 1.5})
    assert [item.language for item in engine.items] == ["de"]


CAT = {"label": "cat", "score": 0.75, "box": {"xmin": 1, "ymin": 2, "xmax": 3.5, "ymax": 4}}
DOG = {"label": "dog", "score": 0.25, "box": {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(as_json(image=encode("a")), {"objects": [CAT]}, id="those that are sure"),
        pytest.param(
            as_json(image=[encode("a")], threshold=0.1), [{"objects": [CAT, DOG]}], id="a list"
        ),
        pytest.param(as_file(threshold="1"), {"objects": []}, id="none"),
    ],
)
async def test_objects_have_boxes(request_, expected):
    async with build_client(FakeMediaEngine(Task.OBJECT_DETECTION)) as client:
        answer = await client.post("/object-detection", **request_)
    assert (answer.status_code, answer.json()) == (200, expected)


async def test_files_may_be_larger_than_texts():
    settings = Settings(max_body_bytes=100, max_media_bytes=1000)
    large = await post(as_file(b"good" * 200), settings=settings)
    too_large = await post(as_file(b"good" * 300), settings=settings)
    assert (large.status_code, too_large.status_code) == (200, 413)


async def test_bodies_are_bounded_together():
    engine = FakeMediaEngine(Task.IMAGE_CLASSIFICATION)
    settings = Settings(max_bodies_bytes=1000)
    async with build_client(engine, settings=settings) as client:
        refused = await client.post("/predict", **as_file(b"x" * 1001))
        # What a request has taken is free again when it is over.
        answers = [await client.post("/predict", **as_file(b"x" * 900)) for _ in range(3)]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
    assert "retry-after" in refused.headers
    assert [answer.status_code for answer in answers] == [200] * 3


async def test_what_is_refused_leaves_room_for_others():
    """One on its way has half of the room: a large one finds too little, and a small one enough."""
    engine = FakeMediaEngine(Task.IMAGE_CLASSIFICATION)
    has_half, goes_on = asyncio.Event(), asyncio.Event()

    async def in_pieces():
        yield b"good" * 125
        has_half.set()
        await goes_on.wait()
        yield b"good" * 125

    async with build_client(engine, settings=Settings(max_bodies_bytes=1000)) as client:
        slow = asyncio.create_task(client.post("/predict", content=in_pieces(), headers=PNG))
        await has_half.wait()
        large = await client.post("/predict", **as_file(b"good" * 126))
        small = await client.post("/predict", **as_file(b"good" * 125))
        goes_on.set()
        answer = await slow
    assert [one.status_code for one in (large, small, answer)] == [429, 200, 200]


async def test_the_document_tells_all_ways():
    async with build_client(FakeMediaEngine(Task.IMAGE_CLASSIFICATION)) as client:
        document = (await client.get("/openapi.json")).json()
    for route in ROUTES:
        content = document["paths"][route]["post"]["requestBody"]["content"]
        assert list(content) == [
            "application/json",
            "multipart/form-data",
            *("image/png", "image/jpeg", "image/webp", "image/gif", "application/octet-stream"),
        ]
        example = content["application/json"]["example"]
        async with build_client(FakeMediaEngine(Task.IMAGE_CLASSIFICATION)) as client:
            assert (await client.post(route, json=example)).status_code == 200
    form = content["multipart/form-data"]["schema"]
    assert form["properties"]["image"] == {"type": "string", "format": "binary"}
    assert form["required"] == ["image"]
