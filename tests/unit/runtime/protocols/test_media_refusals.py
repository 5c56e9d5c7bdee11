"""Files that cannot be read are refused, each by the name of its field."""

import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_media import FakeMediaEngine
from tests.support.media_requests import as_file, as_form, as_json, encode, part
from tests.support.runtime_server import build_client

FORM = "multipart/form-data"
TWO_NUMBERS = {
    "content": (
        b'--x\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n2\r\n--x--\r\n'
    ),
    "headers": {"content-type": f"{FORM}; boundary=x"},
}


def raw_form(content, boundary="; boundary=x"):
    return {"content": content, "headers": {"content-type": FORM + boundary}}


async def post(request):
    async with build_client(FakeMediaEngine(Task.IMAGE_CLASSIFICATION)) as client:
        return await client.post("/predict", **request)


@pytest.mark.parametrize(
    ("request_", "status", "code", "field", "words"),
    [
        pytest.param(
            as_json(image="http://a.example/b.png"),
            *(400, "invalid_value", "image", "is a URL, and this server fetches none"),
            id="a URL",
        ),
        pytest.param(
            as_json(image=[encode("good"), "HTTPS://a.example"]),
            *(400, "invalid_value", "image", "number 1 of the image is a URL"),
            id="a URL in a list",
        ),
        pytest.param(
            as_json(image="file:///etc/passwd"),
            *(400, "invalid_value", "image", "is a URL"),
            id="a file's URL",
        ),
        pytest.param(
            as_json(image="data:image/png,abc"),
            *(400, "invalid_value", "image", "not in base64"),
            id="a data URL without base64",
        ),
        pytest.param(
            as_json(image="ünot base64"),
            *(400, "invalid_value", "image", "is not valid base64"),
            id="no base64",
        ),
        pytest.param(
            as_json(image="abc"), *(400, "invalid_value", "image", "base64"), id="cut base64"
        ),
        pytest.param(
            as_json(image=""), *(400, "invalid_value", "image", "is empty"), id="an empty text"
        ),
        pytest.param(
            as_json(image=[]), *(400, "invalid_value", "image", "send 1 to 16"), id="an empty list"
        ),
        pytest.param(
            as_json(image=["YQ=="] * 17),
            *(400, "invalid_value", "image", "17 of them; send 1 to 16"),
            id="too many",
        ),
        pytest.param(
            as_json(image=5), *(400, "invalid_type", "image", "must be text"), id="a number"
        ),
        pytest.param(
            as_json(image=[["YQ=="]]),
            *(400, "invalid_type", "image", "number 0 of the image must be text"),
            id="a list in a list",
        ),
        pytest.param(
            as_json(picture="YQ=="),
            *(400, "missing_required_parameter", "image", "Missing"),
            id="a wrong field",
        ),
        pytest.param(
            as_json(image=encode("broken")),
            *(400, "invalid_value", "image", "this is no PNG"),
            id="no picture",
        ),
        pytest.param(
            as_file(b""), *(400, "invalid_value", "image", "is empty"), id="an empty body"
        ),
        pytest.param(
            as_file(top_k="many"), *(400, "invalid_value", "top_k", "integer"), id="a bad query"
        ),
        pytest.param(
            as_file(topk="1"), *(400, "unknown_parameter", "topk", "Unknown"), id="a wrong query"
        ),
        pytest.param(
            as_file(image="x"),
            *(400, "invalid_value", "image", "is there twice"),
            id="the file in the query as well",
        ),
        pytest.param(
            {**as_form(part()), "params": {"top_k": 1}},
            *(400, "invalid_value", "top_k", "is in the address"),
            id="a field in the query beside a form",
        ),
        pytest.param(
            {**as_json(image=encode("good")), "params": {"top_k": 1}},
            *(400, "invalid_value", "top_k", "put it into the body"),
            id="a field in the query beside JSON",
        ),
        pytest.param(
            as_form(("image", (None, b"\x89PNG"))),
            *(400, "invalid_value", "image", "send a file with a filename"),
            id="a file without a filename",
        ),
        pytest.param(
            as_file(headers={"content-type": "image/svg+xml"}),
            *(415, "unsupported_media_type", None, "image/png"),
            id="a type that is not taken",
        ),
        pytest.param(
            as_file(headers={"content-type": ""}),
            *(415, "unsupported_media_type", None, "image/png"),
            id="no type",
        ),
        pytest.param(
            as_form(part("picture")),
            *(400, "invalid_value", "image", "came in the part 'picture'"),
            id="a file in the wrong part",
        ),
        pytest.param(
            as_form(part(), part()),
            *(400, "invalid_value", "image", "is there twice"),
            id="two files",
        ),
        pytest.param(
            as_form(part(), image="YQ=="),
            *(400, "invalid_value", "image", "is there twice"),
            id="a file and a text of one name",
        ),
        pytest.param(
            TWO_NUMBERS, *(400, "invalid_value", "top_k", "is there twice"), id="a number twice"
        ),
        pytest.param(
            raw_form(b'--x\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n1\r\n--x--\r\n'),
            *(400, "missing_required_parameter", "image", "Missing"),
            id="a form without a file",
        ),
        pytest.param(
            raw_form(
                b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\ngo'
            ),
            *(400, "invalid_form", None, "ends before its last boundary"),
            id="a form that ends early",
        ),
        pytest.param(
            raw_form(b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"),
            *(400, "invalid_form", None, "The form cannot be read"),
            id="a part without a name",
        ),
        pytest.param(
            raw_form(b"nothing of a form"),
            *(400, "invalid_form", None, "The form cannot be read"),
            id="a form that is none",
        ),
        pytest.param(
            raw_form(b"", ""),
            *(400, "invalid_form", None, "The form cannot be read"),
            id="no boundary",
        ),
        pytest.param(
            raw_form(b"", "; boundary=" + "x" * 5000),
            *(400, "invalid_form", None, "1 to 70 characters"),
            id="an endless boundary",
        ),
        pytest.param(
            {"content": b"", "headers": {"content-type": b"multipart/form-data; boundary=\xfc"}},
            *(400, "invalid_form", None, "ends before"),
            id="a boundary that is no ASCII",
        ),
        pytest.param(
            raw_form(b"--x\r\n" + b"A: b\r\n" * 100),
            *(400, "invalid_form", None, "The form cannot be read"),
            id="too many heads of a part",
        ),
        pytest.param(
            raw_form(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 100),
            *(400, "invalid_form", None, "more than 32 parts"),
            id="too many parts",
        ),
        pytest.param(
            as_form(part(), top_k="1" * 100_000),
            *(400, "invalid_value", "top_k", "longer than 65536 bytes"),
            id="a long text",
        ),
        pytest.param(
            {**as_form(part()), "headers": {"origin": "http://evil.example"}},
            *(403, None, None, "another origin"),
            id="a web page of another origin",
        ),
    ],
)
async def test_what_cannot_be_read_is_refused(request_, status, code, field, words):
    answer = await post(request_)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (status, field), error
    assert error["code"] == (code or error["code"])
    assert words in error["message"]


async def test_a_web_page_of_the_same_origin_may_send_a_form():
    answer = await post({**as_form(part()), "headers": {"origin": "http://runtime"}})
    assert answer.status_code == 200
