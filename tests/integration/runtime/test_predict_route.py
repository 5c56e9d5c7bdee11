"""`/predict` of tensors, over HTTP and a real model."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.runtime_server import build_client
from tests.support.tiny_models import running


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """y = 2x, and whether it is positive: two columns, two labels."""
    folder = tmp_path_factory.mktemp("doubling")
    two = numpy_helper.from_array(np.array(2, np.float32), "two")
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["y"]),
        helper.make_node("Greater", ["y", "zero"], ["positive"]),
    ]
    shape = ["rows", 2]
    graph = helper.make_graph(
        nodes,
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("positive", TensorProto.BOOL, shape),
        ],
        [two, zero],
    )
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "m.onnx")
    (folder / "labels.json").write_text(json.dumps(["left", "right"]))
    return folder


async def ask(folder, body, path="/predict"):
    headers = {"Content-Type": "application/json"}
    async with running(folder) as engine, build_client(engine) as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(path, content=content, headers=headers)


ROWS = [[1, 2.5], [0, -1]]
OUTPUTS = {"y": [[2.0, 5.0], [0.0, -2.0]], "positive": [[True, True], [False, False]]}
FIRST = {
    "outputs": {"y": [2.0, 5.0], "positive": [True, True]},
    "label": "right",
    "score": 5.0,
}
BOTH = {"outputs": OUTPUTS, "label": ["right", "left"], "score": [5.0, 0.0]}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        pytest.param({"inputs": {"x": ROWS}}, BOTH, id="by name"),
        pytest.param({"inputs": ROWS}, BOTH, id="the only input without its name"),
        pytest.param({"features": ROWS}, BOTH, id="rows of a table"),
        pytest.param({"features": ROWS[0]}, FIRST, id="one row of a table"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/tensors"])
async def test_rows_are_answered_as_they_were_sent(doubling, body, answer, path):
    found = await ask(doubling, body, path)
    assert (found.status_code, found.json()) == (200, answer)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        pytest.param({}, "inputs", "Missing required parameter", id="nothing"),
        pytest.param({"inputs": ROWS, "features": ROWS}, "features", "not both", id="both of them"),
        pytest.param({"features": 1}, "features", "Input should be", id="features without a list"),
        pytest.param({"features": []}, "features", "the shape [0]", id="no features"),
        pytest.param({"features": ["a", "b"]}, "features", "takes numbers", id="texts"),
        pytest.param({"features": [1, 2, 3]}, "features", "takes [any, 2]", id="too many"),
        pytest.param({"inputs": {"z": ROWS}}, "inputs.z", "no input 'z'", id="another name"),
        pytest.param({"inputs": {"x": [[1], [1, 2]]}}, "inputs.x", "is ragged", id="ragged"),
        pytest.param(b'{"inputs": [[NaN, 1]]}', "inputs", "cannot hold", id="no number"),
        pytest.param(b'{"inputs": [[1e999, 1]]}', "inputs", "cannot hold", id="infinity"),
        pytest.param({"text": "hello"}, "text", "Unknown parameter", id="a text"),
    ],
)
async def test_what_is_wrong_names_its_field(doubling, body, field, message):
    found = await ask(doubling, body)
    error = found.json()["error"]
    assert (found.status_code, error["field"]) == (400, field)
    assert message in error["message"]


async def test_the_document_shows_tensors_and_no_texts(doubling):
    async with running(doubling) as engine, build_client(engine) as client:
        document = (await client.get("/openapi.json")).json()
    assert "/tensors" in document["paths"]
    assert "/fill-mask" not in document["paths"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/PredictRequest"}


async def test_a_model_of_one_example_at_a_time_answers_a_list_of_them(tmp_path):
    add = helper.make_node("Add", ["x", "x"], ["y"])
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy"]
    graph = helper.make_graph([add], "one", tensors[:1], tensors[1:])
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / "m.onnx")
    found = await ask(tmp_path, {"inputs": {"x": [[1, 2], [3, 4], [5, 6]]}})
    assert found.json() == {"outputs": {"y": [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]]}}
    many = await ask(tmp_path, {"inputs": {"x": [[1, 2]] * 2049}})
    assert (many.status_code, many.json()["error"]["code"]) == (400, "too_many_values")
