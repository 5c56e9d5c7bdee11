"""What an answer comes from, as JSON and as a page; who is refused, and how it is documented."""

import re
from html.parser import HTMLParser

import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.fake_media import FakeMediaEngine
from tests.support.media_requests import as_file, as_form, as_json, encode, part
from tests.support.runtime_server import build_client

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
DIFFERENCE = {
    "label": "POSITIVE",
    "score": 0.8125,
    "baseline_score": 0.25,
    "sum": 0.5,
    "delta": -0.0625,
    "steps": 32,
}
TOKENS = [
    {"text": "A", "start": 0, "end": 1, "attribution": 0.0},
    {"text": "good", "start": 2, "end": 6, "attribution": 0.5},
]
TEXT = {**DIFFERENCE, "tokens": TOKENS, "baseline": "[MASK]"}
PICTURE = {**DIFFERENCE, "label": "GOOD", "grid": [[0.0, 0.5]], "width": 3, "height": 2}


def of_texts():
    return FakeBatchEngine(Task.TEXT_CLASSIFICATION)


def of_pictures():
    return FakeMediaEngine(Task.IMAGE_CLASSIFICATION)


def as_fields(**fields):
    """A form without a file."""
    return {"files": [(name, (None, value)) for name, value in fields.items()]}


async def post(engine, asked, **headers):
    async with build_client(engine) as client:
        return await client.post("/explain", **asked | {"headers": asked.get("headers", headers)})


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        pytest.param(as_json(text="A good"), {}, id="the best label"),
        pytest.param(as_json(text="A good", label="", steps=5), {"steps": 5}, id="few steps"),
        pytest.param(as_fields(text="A good", steps="128"), {"steps": 128}, id="a form"),
    ],
)
async def test_tokens_of_a_text_are_explained(asked, changes):
    answer = await post(of_texts(), asked)
    assert (answer.status_code, answer.json()) == (200, TEXT | changes)
    assert answer.headers["vary"] == "accept"


async def test_another_label_than_the_best_one_is_explained():
    answer = await post(of_texts(), as_json(text="good", label="NEGATIVE"))
    assert answer.json()["sum"] == -0.5
    assert answer.json()["label"] == "NEGATIVE"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(as_json(image=encode("good")), id="base64"),
        pytest.param(as_file(steps="32"), id="the file itself"),
        pytest.param(as_form(part(), label="GOOD"), id="a form"),
    ],
)
async def test_parts_of_a_picture_are_explained(asked):
    answer = await post(of_pictures(), asked)
    assert (answer.status_code, answer.json()) == (200, PICTURE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": None}, "text"),
        ({"label": "angry"}, "label"),
        ({"label": "x" * 257}, "label"),
        ({"steps": 0}, "steps"),
        ({"steps": 129}, "steps"),
        ({"steps": "many"}, "steps"),
        ({"top_k": 1}, "top_k"),
    ],
)
async def test_what_is_wrong_is_named(changes, field):
    answer = await post(of_texts(), as_json(**{"text": "a"} | changes))
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


async def test_one_picture_is_explained_at_a_time():
    answer = await post(of_pictures(), as_json(image=[encode("good")]))
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "image")


@pytest.mark.parametrize(
    ("engine", "does"),
    [(FakeGenerationEngine(), "text-generation"), (FakeBatchEngine(Task.FILL_MASK), "fill-mask")],
    ids=["generation", "fill-mask"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_other_tasks_are_not_explained(engine, does, method):
    async with build_client(engine) as client:
        answer = await client.request(method, "/explain")
        document = (await client.get("/openapi.json")).json()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "unsupported_task")
    assert error["message"].startswith(
        f"The model 'tiny' does {does}, and only answers of text-classification and "
        "image-classification can be explained; it is served at /"
    )
    assert "/explain" not in document["paths"]


async def test_a_model_without_gradients_says_why():
    why = "This model cannot be explained: its Linear passes no gradient on."
    engine = FakeBatchEngine(Task.TEXT_CLASSIFICATION, unexplained=why)
    answer = await post(engine, as_json(text="a"))
    error = {"code": "not_explainable", "message": why, "field": None}
    assert (answer.status_code, answer.json()) == (404, {"error": error})
    async with build_client(engine) as client:
        document = (await client.get("/openapi.json")).json()
    assert "/explain" not in document["paths"]


class Page(HTMLParser):
    """What a browser would find: elements with their classes and sources, and the words."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words += data

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


async def test_a_browser_gets_a_page_of_the_text():
    answer = await post(of_texts(), as_json(text="A <b>good</b> & bad"), **BROWSER)
    page = Page(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.find("span")[:4] == [
        {"class": "", "title": "+0.0000"},
        {"class": "", "title": "+0.0000"},
        {"class": "a10", "title": "+0.5000"},
        {"class": "", "title": "+0.0000"},
    ]
    assert "A <b>good</b> & bad" in page.words
    assert "Score of POSITIVE0.8125" in page.words
    assert "What it misses of their difference-0.0625" in page.words


async def test_a_browser_gets_a_page_of_the_picture():
    answer = await post(of_pictures(), as_form(part()), **BROWSER)
    images = Page(answer.text).find("img")
    assert [image["alt"] for image in images] == ["What the model sees", "What its parts add"]
    assert all(image["src"].startswith("data:image/png;base64,iVBOR") for image in images)


HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(1)>"\' onmouseover="x &lt;svg/onload=1>'
)


@pytest.mark.parametrize("text", [HOSTILE, "\x00\u202egood\r\n\ud7ff", "good " * 500])
async def test_a_page_is_only_what_it_should_be(text):
    answer = await post(of_texts(), as_json(text=text), **BROWSER)
    policy = answer.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; img-src data:; form-action 'self'; "
        r"base-uri 'none'; frame-ancestors 'none'",
        policy,
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = Page(answer.text)
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "svg", "b", "iframe"})
    names = {name for _, attributes in page.elements for name in attributes}
    assert names <= {"lang", "charset", "name", "content", "class", "title", "href", "open"}


@pytest.mark.parametrize(
    ("engine", "field"), [(of_texts, "textarea"), (of_pictures, "input")], ids=["text", "picture"]
)
async def test_a_form_asks_for_what_the_model_takes(engine, field):
    async with build_client(engine()) as client:
        answer = await client.get("/explain")
    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.find("form") == [{"method": "post", "enctype": "multipart/form-data"}]
    asked = {attributes["name"] for tag in ("textarea", "input") for attributes in page.find(tag)}
    assert asked == {{"textarea": "text", "input": "image"}[field], "label", "steps"}
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("origin", "status"), [("http://runtime", 200), ("http://evil.example", 403), ("null", 403)]
)
async def test_forms_come_from_pages_of_the_same_origin(origin, status):
    answer = await post(of_texts(), as_fields(text="A good"), origin=origin)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("engine", "request_name", "answer_name"),
    [
        (of_texts, "TextToExplainRequest", "TextExplanation"),
        (of_pictures, "PictureToExplainRequest", "PictureExplanation"),
    ],
    ids=["texts", "pictures"],
)
async def test_the_documentation_is_of_the_models_task(engine, request_name, answer_name):
    async with build_client(engine()) as client:
        document = (await client.get("/openapi.json")).json()
        does = document["paths"]["/explain"]["post"]
        body = does["requestBody"]["content"]["application/json"]
        example = await client.post("/explain", json=body["example"])
    content = does["responses"]["200"]["content"]
    names = document["components"]["schemas"].keys()
    assert body["schema"] == {"$ref": f"#/components/schemas/{request_name}"}
    assert content == {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{answer_name}"}},
        "text/html": {"schema": {"type": "string"}},
    }
    assert {request_name, answer_name} <= names
    assert example.status_code == 200
