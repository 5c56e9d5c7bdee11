"""What declared schemas are as tensors."""

from typing import Annotated, Any, NotRequired

import pytest
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TensorSignature
from modelyard_runtime.protocols.open_inference.examples import build_example
from modelyard_runtime.protocols.open_inference.signature import Kind, derive_signature
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.spec import Count, TaskSpec, Texts
from modelyard_runtime.tasks.table import SPECS


class Request(Body):
    text: Texts
    file: Annotated[str, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    count: int
    top_k: Count | None = None
    score: float = 0.5
    is_sorted: bool = False
    prefix: str = ""
    nested: dict[str, int] | None = None
    documents: tuple[str | dict[str, str], ...] = ()


class Point(TypedDict):
    x: int


class Answer(TypedDict):
    label: str
    score: float
    start: int
    is_best: bool
    vector: Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "number"}})]
    points: list[Point]
    best: Point
    top: NotRequired[str]


def spec_of(request, answer, example=None):
    return TaskSpec(
        task=Task.PREDICT,
        route="/x",
        summary="x",
        request=request,
        answer=answer,
        example=example or {},
        to_items=lambda body: [body],
        to_answer=lambda _body, results: results[0],
    )


def test_fields_of_the_request():
    signature = derive_signature(spec_of(Request, Answer))
    assert {name: (field.kind, field.is_input) for name, field in signature.fields.items()} == {
        "text": (Kind.TEXT, True),
        "file": (Kind.FILE, True),
        "labels": (Kind.TEXTS, True),
        "count": (Kind.INTEGER, True),
        "top_k": (Kind.INTEGER, False),
        "score": (Kind.NUMBER, False),
        "is_sorted": (Kind.TRUTH, False),
        "prefix": (Kind.TEXT, False),
        "nested": (Kind.OTHER, False),
        "documents": (Kind.TEXTS, False),
    }
    assert signature.inputs == (
        TensorSignature("text", "BYTES", (-1,)),
        TensorSignature("file", "BYTES", (-1,)),
        TensorSignature("labels", "BYTES", (-1,)),
        TensorSignature("count", "INT64", (-1,)),
    )


def test_fields_of_the_answer():
    signature = derive_signature(spec_of(Request, Answer))
    assert signature.outputs == (
        TensorSignature("label", "BYTES", (-1,)),
        TensorSignature("score", "FP32", (-1,)),
        TensorSignature("start", "INT64", (-1,)),
        TensorSignature("is_best", "BOOL", (-1,)),
        TensorSignature("vector", "FP32", (-1, -1)),
        TensorSignature("points", "BYTES", (-1,)),
        TensorSignature("best", "BYTES", (-1,)),
        TensorSignature("top", "BYTES", (-1,)),
    )
    assert [name for name, column in signature.columns.items() if column.is_optional] == ["top"]


def test_an_answer_that_is_no_object():
    signature = derive_signature(spec_of(Request, list[Point]))
    assert signature.outputs == (TensorSignature("answer", "BYTES", (-1,)),)


def test_an_example():
    example = {"text": ["a", "b"], "file": "eA==", "labels": ["c"], "count": 1, "top_k": 2}
    assert build_example(spec_of(Request, Answer, {}), example) == {
        "inputs": [
            {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
            {"name": "file", "shape": [1], "datatype": "BYTES", "data": ["eA=="]},
            {"name": "labels", "shape": [1], "datatype": "BYTES", "data": ["c"]},
            {"name": "count", "shape": [1], "datatype": "INT64", "data": [1]},
        ],
        "parameters": {"top_k": 2},
    }


@pytest.mark.parametrize("task", SPECS)
def test_every_task_but_predict_has_inputs_and_outputs(task):
    signature = derive_signature(SPECS[task])
    assert (len(signature.inputs) > 0) == (task is not Task.PREDICT)
    assert len(signature.outputs) > 0
