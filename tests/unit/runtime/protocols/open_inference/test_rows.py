"""Rows of tensors as requests of a task, and answers as columns."""

import numpy as np
import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.rows import form_bodies, form_columns
from modelyard_runtime.protocols.open_inference.signature import derive_signature
from modelyard_runtime.protocols.open_inference.tensors import Question, Tensor, form_objects
from modelyard_runtime.tasks.table import SPECS
from tests.unit.runtime.protocols.open_inference.test_signature import Answer, Request, spec_of

SIGNATURE = derive_signature(spec_of(Request, Answer))


def texts(name, *elements, is_text=False):
    return Tensor(name, "BYTES", form_objects(elements), is_text=is_text)


def numbers(name, datatype, *elements):
    return Tensor(name, datatype, np.array(elements, dtype={"FP32": "f4"}.get(datatype)))


TEXT = texts("text", b"a", b"b")
REST = (
    texts("file", b"\xff", b"\xfe"),
    texts("labels", b"x", b"y", b"z"),
    numbers("count", "INT64", 7),
)


def bodies(*tensors, **parameters):
    question = Question(tuple(tensors), parameters=parameters)
    formed = form_bodies(question, SIGNATURE, Request)
    return [body.model_dump(exclude_unset=True) for body in formed]


def test_rows_of_their_own_and_what_they_share():
    files = texts("file", b"Zg==", b"Zw==", is_text=True)
    shared = {"labels": ("x", "y", "z"), "count": 7, "top_k": 3}
    assert bodies(TEXT, files, *REST[1:], top_k=3) == [
        {"text": "a", "file": "Zg==", **shared},
        {"text": "b", "file": "Zw==", **shared},
    ]


def test_a_file_is_bytes_where_it_came_as_bytes():
    spec = SPECS[Task.IMAGE_CLASSIFICATION]
    for tensor in (texts("image", b"\xff\x00"), texts("image", b"/wA=", is_text=True)):
        (body,) = form_bodies(Question((tensor,)), derive_signature(spec), spec.request)
        assert body.image == b"\xff\x00"


def test_lists_and_numbers_may_be_parameters():
    files = texts("file", b"Zg==", is_text=True)
    found = bodies(TEXT, files, labels=["x"], count=1, prefix="p", score=0.25, is_sorted=True)
    assert [row["file"] for row in found] == ["Zg==", "Zg=="]
    assert found[0]["labels"] == ("x",)
    assert (found[1]["prefix"], found[1]["score"], found[1]["is_sorted"]) == ("p", 0.25, True)


MANY = texts("labels", *[b"x"] * 1025)


@pytest.mark.parametrize(
    ("tensors", "parameters", "field", "said"),
    [
        pytest.param(REST, {}, "inputs.text", "'text' is missing", id="no text"),
        pytest.param(REST, {"text": "a"}, "inputs.text", "is missing", id="text as parameter"),
        pytest.param(
            (TEXT, *REST, texts("nested", b"1")),
            {},
            "inputs.nested.name",
            "has no input 'nested'",
            id="what is no tensor",
        ),
        pytest.param(
            (TEXT, *REST), {"count": 1}, "parameters.count", "sent as an input", id="twice"
        ),
        pytest.param((TEXT, *REST), {"x": 1}, "parameters.x", "is unknown", id="no parameter"),
        pytest.param(
            (TEXT, texts("file", b"Zg==", is_text=True), *REST[1:]),
            {"top_k": 0},
            "top_k",
            "greater than",
            id="a bad parameter",
        ),
        pytest.param(
            (TEXT, *REST[:2], numbers("count", "FP32", 1)),
            {},
            "inputs.count.datatype",
            "needs a datatype of whole numbers",
            id="a fraction",
        ),
        pytest.param(
            (numbers("text", "INT64", 1), *REST),
            {},
            "inputs.text.datatype",
            "is INT64; it needs BYTES",
            id="a number as text",
        ),
        pytest.param(
            (texts("text", b"a", b"b", b"c"), *REST),
            {},
            "inputs.file.shape",
            "one for each of the 3 rows",
            id="not one for each row",
        ),
        pytest.param(
            (Tensor("text", "BYTES", form_objects([b"a"] * 4).reshape(2, 2)), *REST),
            {},
            "inputs.text.shape",
            "[2, 2]; it needs the shape [N] or [N, 1]",
            id="a table",
        ),
        pytest.param(
            (texts("text"), *REST), {}, "inputs.text.shape", "from 1 to 2048", id="no row"
        ),
        pytest.param(
            (texts("text", b"\xff", b"a"), *REST),
            {},
            "inputs.text.data[0]",
            "no text in UTF-8",
            id="bytes as text",
        ),
        pytest.param(
            (TEXT, REST[0], MANY, REST[2]), {}, "inputs", "more than 2048 in all", id="too many"
        ),
    ],
)
def test_what_is_refused(tensors, parameters, field, said):
    with pytest.raises(InvalidRequest) as caught:
        bodies(*tensors, **parameters)
    assert (caught.value.param, said in caught.value.message) == (field, True), caught.value


def answer(label, **more):
    return {
        "label": label,
        "score": 0.5,
        "start": 1,
        "is_best": True,
        "vector": np.array([1, 2], np.float32),
        "points": [{"x": 1}],
        "best": {"x": 2},
        **more,
    }


def test_columns():
    columns = form_columns([answer("ä"), answer("b")], SIGNATURE)
    assert {name: column.array.tolist() for name, column in columns.items()} == {
        "label": ["ä".encode(), b"b"],
        "score": [0.5, 0.5],
        "start": [1, 1],
        "is_best": [True, True],
        "vector": [[1, 2], [1, 2]],
        "points": [b'[{"x":1}]'] * 2,
        "best": [b'{"x":2}'] * 2,
    }


def test_a_column_that_is_not_always_there():
    assert "top" in form_columns([answer("a", top="x")], SIGNATURE)
    assert "top" not in form_columns([answer("a", top="x"), answer("b")], SIGNATURE)


def test_vectors_of_different_lengths_are_no_tensor():
    with pytest.raises(InvalidRequest, match="ask row by row"):
        form_columns([answer("a"), answer("b", vector=[1.0])], SIGNATURE)
