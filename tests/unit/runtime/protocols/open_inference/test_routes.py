"""The HTTP routes: bodies of JSON and bytes, and what is refused at the door."""

import json

import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine
from tests.support.runtime_server import build_client
from tests.support.tensor_engine import FakeTensorEngine

INFER = "/v2/models/tiny/infer"
TEXT = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good", "bad"]}
BLOB = b"\x04\x00\x00\x00good"
LENGTH = "Inference-Header-Content-Length"


def classifier():
    return FakeBatchEngine(Task.TEXT_CLASSIFICATION)


def with_bytes(blob=BLOB, *, size=None, shape=(1,), **request):
    """Return a body with a tensor as bytes, and the header for it."""
    tensor = {
        "name": "text",
        "shape": list(shape),
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(blob) if size is None else size},
    }
    head = json.dumps({"inputs": [tensor], **request}).encode()
    return {"content": head + blob, "headers": {LENGTH: str(len(head))}}


async def post(path=INFER, engine=None, **how):
    async with build_client(engine or classifier()) as client:
        return await client.post(path, **how)


async def infer(body, **how):
    return await post(json=body, **how)


async def test_json_there_and_back():
    answer = await infer({"id": "7", "inputs": [TEXT], "outputs": [{"name": "label"}]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "model_name": "tiny",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["POSITIVE", "NEGATIVE"]}
        ],
    }


async def test_bytes_there_and_json_back():
    answer = await post(**with_bytes(outputs=[{"name": "score"}]))
    assert LENGTH not in answer.headers
    assert answer.json() == {
        "model_name": "tiny",
        "model_version": "1",
        "outputs": [{"name": "score", "shape": [1], "datatype": "FP32", "data": [0.75]}],
    }


async def test_bytes_back_of_those_outputs_that_are_asked_for_so():
    outputs = [{"name": "score"}, {"name": "label", "parameters": {"binary_data": False}}]
    asked = {"inputs": [TEXT], "outputs": outputs, "parameters": {"binary_data_output": True}}
    answer = await infer(asked)
    length = int(answer.headers[LENGTH])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert json.loads(answer.content[:length])["outputs"] == [
        {"name": "score", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["POSITIVE", "NEGATIVE"]},
    ]
    assert answer.content[length:] == b"\x00\x00\x40\x3f" * 2


@pytest.mark.parametrize(
    ("how", "said"),
    [
        pytest.param(with_bytes(BLOB[:-1]), "inputs.text.data: ", id="an element cut short"),
        pytest.param(
            with_bytes(size=9), "inputs.text.parameters.binary_data_size: ", id="more than there is"
        ),
        pytest.param(
            with_bytes(size=2**31 - 1),
            "inputs.text.parameters.binary_data_size: ",
            id="far more than there is",
        ),
        pytest.param(
            with_bytes(size=2**31), "inputs[0].parameters.binary_data_size: ", id="a huge length"
        ),
        pytest.param(
            with_bytes(BLOB + b"rest", size=8),
            "inputs: 4 bytes follow the JSON",
            id="bytes left over",
        ),
        pytest.param(with_bytes(shape=[-1]), "inputs[0].shape[0]: ", id="a negative size"),
        pytest.param(
            {**with_bytes(), "headers": {LENGTH: "9999"}}, f"{LENGTH}: ", id="a head that is longer"
        ),
        pytest.param(
            {**with_bytes(), "headers": {LENGTH: "-1"}}, f"{LENGTH}: ", id="a negative length"
        ),
        pytest.param(
            {**with_bytes(), "headers": {LENGTH: "9" * 5000}}, f"{LENGTH}: ", id="endless digits"
        ),
        pytest.param(
            {**with_bytes(), "headers": {LENGTH: "5"}}, "The body is not JSON", id="half a head"
        ),
        pytest.param({"json": {}}, "inputs: Missing required parameter", id="no inputs"),
        pytest.param({"json": {"inputs": []}}, "inputs: ", id="an empty list of inputs"),
        pytest.param(
            {"json": {"inputs": [{**TEXT, "data": None}]}},
            "inputs.text.data: The input 'text' has neither data nor binary_data_size",
            id="no data",
        ),
        pytest.param(
            {"json": {"inputs": [{**TEXT, "parameters": {"binary_data_size": 0}}]}},
            "inputs.text.data: The input 'text' has both",
            id="data twice",
        ),
        pytest.param(
            {"json": {"inputs": [TEXT], "parameters": {"sequence_id": 1}}},
            "parameters.sequence_id: ",
            id="a sequence",
        ),
        pytest.param(
            {"json": {"inputs": [TEXT], "parameters": {"binary_data_output": 1}}},
            "parameters.binary_data_output: ",
            id="no truth value",
        ),
        pytest.param(
            {"json": {"inputs": [{**TEXT, "data": ["good", ""]}]}},
            "inputs.text: the text is empty",
            id="an empty text",
        ),
        pytest.param(
            {"json": {"inputs": [TEXT], "outputs": [{"name": "top"}]}},
            "outputs[0].name: The output 'top' is only there where a parameter asks for it",
            id="an output that was not asked for",
        ),
    ],
)
async def test_what_is_malformed_is_refused_by_name(how, said):
    answer = await post(**how)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert answer.json()["error"].startswith(said)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="no type, as official clients"),
        pytest.param({"content-type": "application/octet-stream"}, 200, id="bytes"),
        pytest.param({"content-type": "application/json; charset=utf-8"}, 200, id="JSON"),
        pytest.param({"content-type": "text/plain"}, 415, id="text, as a browser's form"),
        pytest.param({"origin": "http://evil.example"}, 415, id="no type, from a browser"),
        pytest.param(
            {"content-type": "application/json", "content-encoding": "gzip"}, 415, id="compressed"
        ),
    ],
)
async def test_types_that_are_taken(headers, status):
    answer = await post(content=json.dumps({"inputs": [TEXT]}).encode(), headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v2/models/other/infer", 404, "model: The model 'other' is not served here"),
        ("/v2/models/tiny/versions/2/infer", 404, "version: The model 'tiny' has the version '1'"),
        ("/v2/nothing", 404, "There is no route POST /v2/nothing."),
        # It might be a model of that name, which can be looked at.
        ("/v2/models/tiny/trace/setting", 405, "/v2/models/tiny/trace/setting does not take POST."),
    ],
)
async def test_what_is_not_there(path, status, said):
    answer = await post(path, json={"inputs": [TEXT]})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(said)


async def test_another_model_in_the_body():
    answer = await infer({"model_name": "other", "inputs": [TEXT]})
    assert answer.status_code == 404


async def test_an_overloaded_engine_says_when_to_come_again():
    answer = await infer({"inputs": [{**TEXT, "shape": [1], "data": ["full"]}]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json() == {"error": "The queue is full."}


async def test_while_the_model_loads():
    async with build_client() as client:
        found = {
            path: (await client.get(path)).status_code
            for path in ("/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/tiny")
        }
        ready = await client.get("/v2/models/tiny/ready")
        index = await client.post("/v2/repository/index")
        loading = await client.post("/v2/repository/models/tiny/load")
        nothing = await client.post("/v2/repository/index", json={"ready": True})
    assert found == {
        "/v2": 200,
        "/v2/": 200,
        "/v2/health/live": 200,
        "/v2/health/ready": 503,
        "/v2/models/tiny": 503,
    }
    assert (ready.status_code, ready.json()) == (503, {"ready": False})
    assert index.json() == [
        {"name": "tiny", "version": "1", "state": "UNAVAILABLE", "reason": "loading"}
    ]
    assert (loading.status_code, nothing.json()) == (503, [])


async def test_nan_is_no_json_but_bytes_have_it():
    engine = FakeTensorEngine()
    engine.signature = type(engine.signature)(
        inputs=tuple(one for one in engine.signature.inputs if one.name == "fp32")
    )
    blob = b"\x00\x00\xc0\x7f" * 2
    head = {"name": "fp32", "shape": [1, 2], "datatype": "FP32"}
    tensor = {**head, "parameters": {"binary_data_size": 8}}
    for wanted, status in (({}, 400), ({"parameters": {"binary_data_output": True}}, 200)):
        body = json.dumps({"inputs": [tensor], **wanted}).encode()
        answer = await post(engine=engine, content=body + blob, headers={LENGTH: str(len(body))})
        assert answer.status_code == status
    assert answer.content.count(blob) == 1


async def test_the_document_has_an_example_for_the_model_that_is_there():
    async with build_client(classifier()) as client:
        document = (await client.get("/openapi.json")).json()
        content = document["paths"][INFER.replace("tiny", "{model_name}")]["post"]["requestBody"]
        example = content["content"]["application/json"]["example"]
        answer = await client.post(INFER, json=example)
    assert example == {
        "inputs": [
            {
                "name": "text",
                "shape": [1],
                "datatype": "BYTES",
                "data": ["I enjoyed every minute of it."],
            }
        ],
        "parameters": {"top_k": 2},
    }
    assert answer.status_code == 200
