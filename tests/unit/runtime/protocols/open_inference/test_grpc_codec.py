"""Questions as gRPC's messages: typed contents, raw ones, and what is neither."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.grpc_codec import read_question, write_answer
from modelyard_runtime.protocols.open_inference.grpc_messages import build_messages
from modelyard_runtime.protocols.open_inference.tensors import Tensor

MESSAGES = build_messages()


def request(datatype="FP32", shape=(2,), raw=(), **contents):
    message = MESSAGES["ModelInferRequest"](raw_input_contents=list(raw))
    tensor = message.inputs.add(name="x", datatype=datatype, shape=shape)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return message


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-(2**15), 2**15 - 1]),
        ("INT32", "int_contents", [-(2**31), 2**31 - 1]),
        ("INT64", "int64_contents", [-(2**63), 2**63 - 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 2**16 - 1]),
        ("UINT32", "uint_contents", [0, 2**32 - 1]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [0.5, float("inf")]),
        ("FP64", "fp64_contents", [0.1, 1e300]),
        ("BYTES", "bytes_contents", [b"\xff", b""]),
    ],
)
def test_typed_contents_of_each_datatype(datatype, field, values):
    (tensor,) = read_question(request(datatype, **{field: values})).inputs
    assert (tensor.datatype, tensor.array.tolist()) == (datatype, values)


def test_raw_contents():
    question = read_question(request("FP16", raw=[np.array([1, 2], "<f2").tobytes()]))
    assert question.inputs[0].array.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("message", "field", "said"),
    [
        pytest.param(request("FP16"), "inputs.x.contents", "as raw_input_contents", id="FP16"),
        pytest.param(request("BF16"), "inputs.x.datatype", "send FP32", id="BF16"),
        pytest.param(
            request(fp64_contents=[1, 2]), "inputs.x.contents", "not as fp64_", id="another type"
        ),
        pytest.param(
            request(fp32_contents=[1]), "inputs.x.contents", "2 elements; it has 1", id="too few"
        ),
        pytest.param(
            request("INT8", int_contents=[1, 128]),
            "inputs.x.contents",
            "from -128 to 127",
            id="out of range",
        ),
        pytest.param(
            request(shape=[-1], fp32_contents=[1]), "inputs.x.shape", "0 to", id="a negative size"
        ),
        pytest.param(
            request(raw=[b"\0" * 7]), "inputs.x.data", "7 bytes were sent", id="raw, cut short"
        ),
        pytest.param(
            request(raw=[b"\0" * 8] * 2),
            "raw_input_contents",
            "1 inputs and 2 raw",
            id="raw, twice",
        ),
        pytest.param(
            request(raw=[b"\0" * 8], fp32_contents=[1, 2]),
            "inputs.x.contents",
            "contents beside raw_input_contents",
            id="raw and typed",
        ),
    ],
)
def test_what_is_refused(message, field, said):
    with pytest.raises(InvalidRequest) as caught:
        read_question(message)
    assert (caught.value.param, said in caught.value.message) == (field, True), caught.value


def test_parameters_of_each_type():
    message = request(fp32_contents=[1, 2])
    message.parameters["a"].bool_param = True
    message.parameters["b"].int64_param = -1
    message.parameters["c"].string_param = "x"
    message.parameters["d"].double_param = 0.5
    message.parameters["e"].uint64_param = 2**64 - 1
    question = read_question(message)
    assert question.parameters == {"a": True, "b": -1, "c": "x", "d": 0.5, "e": 2**64 - 1}
    message.parameters["f"].Clear()
    with pytest.raises(InvalidRequest, match="has no value"):
        read_question(message)


def test_an_answer():
    response = MESSAGES["ModelInferResponse"]()
    write_answer(response, [Tensor("y", "INT16", np.array([[1], [2]], "<i2"))])
    (output,) = response.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("y", "INT16", [2, 1])
    assert list(response.raw_output_contents) == [b"\x01\x00\x02\x00"]


@given(content=st.binary(max_size=64))
def test_whatever_is_parsed_is_a_question_or_a_refusal(content):
    message = MESSAGES["ModelInferRequest"]()
    try:
        message.ParseFromString(content)
    except Exception:  # noqa: BLE001 - bytes that are no message are another module's
        return
    with contextlib.suppress(InvalidRequest):
        assert len(read_question(message).inputs) == len(message.inputs)
