"""tritonclient, unchanged: numpy in, numpy out, over HTTP and gRPC."""

import asyncio

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from tests.support.tensor_engine import ECHOED, SIGNATURE, build_arrays
from tests.support.triton_clients import Grpc, Http, process_of

#: One process for each kind of model; none of these requests changes it.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 20


tensors = process_of("predict")
labels = process_of("text-classification")
vectors = process_of("embeddings")


either = pytest.mark.parametrize("protocol", [Http, Grpc])


def texts(*words):
    return np.array([word.encode() for word in words], dtype=object)


@either
async def test_every_datatype_there_and_back(protocol, predict):
    arrays = build_arrays()
    async with protocol(predict) as client:
        result = await client.infer(arrays, request_id="42")
    for name, array in arrays.items():
        back = result.as_numpy(f"{name}_back")
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(result.as_numpy("total"), arrays["fp32"].sum(axis=1))
    response = result.get_response()
    assert (response.id if protocol is Grpc else response["id"]) == "42"


async def test_every_datatype_as_json(predict):
    arrays = build_arrays(1)
    async with Http(predict) as http:
        inputs = [
            # The client has no JSON for FP16.
            http.tensor(name, array, name.upper(), binary_data=name == "fp16")
            for name, array in arrays.items()
        ]
        outputs = [
            Http.kit.InferRequestedOutput(header.name, binary_data=False)
            for header in SIGNATURE.outputs
        ]
        result = await http.client.infer("tiny", inputs, outputs=outputs)
    for name, array in arrays.items():
        data = result.get_output(f"{name}_back")["data"]
        expected = [text.decode() for text in array.flat] if name == "bytes" else array.ravel()
        np.testing.assert_array_equal(np.array(data, dtype=getattr(array, "dtype", None)), expected)


@either
async def test_outputs_that_are_asked_for_in_the_order_asked(protocol, predict):
    async with protocol(predict) as client:
        result = await client.infer(build_arrays(), outputs=["total", "int8_back"])
    response = result.get_response()
    outputs = response.outputs if protocol is Grpc else response["outputs"]
    names = [one.name if protocol is Grpc else one["name"] for one in outputs]
    assert names == ["total", "int8_back"]


@either
async def test_metadata_tells_what_the_model_takes_and_gives(protocol, predict):
    async with protocol(predict) as client:
        as_json = {"as_json": True} if protocol is Grpc else {}
        metadata = await client.client.get_model_metadata("tiny", "1", **as_json)
        server = await client.client.get_server_metadata(**as_json)
        index = await client.client.get_model_repository_index(**as_json)
    told = [
        (one["name"], one["datatype"], [int(size) for size in one["shape"]])
        for one in metadata["inputs"] + metadata["outputs"]
    ]
    headers = (*SIGNATURE.inputs, *SIGNATURE.outputs)
    assert told == [(one.name, one.datatype, list(one.shape)) for one in headers]
    assert (metadata["name"], metadata["versions"]) == ("tiny", ["1"])
    assert server["name"] == "modelyard"
    assert server["extensions"] == ["binary_tensor_data", "model_repository"]
    models = index["models"] if protocol is Grpc else index
    assert [(one["name"], one["state"]) for one in models] == [("tiny", "READY")]


@either
async def test_health(protocol, predict):
    async with protocol(predict) as client:
        assert await client.client.is_server_live()
        assert await client.client.is_server_ready()
        assert await client.client.is_model_ready("tiny")


@either
async def test_texts_and_a_parameter(protocol, text_classification):
    async with protocol(text_classification) as client:
        tensor = client.tensor("text", texts("good", "bad"), "BYTES")
        result = await client.client.infer("tiny", [tensor], parameters={"top_k": 1})
    assert result.as_numpy("label").tolist() == [b"POSITIVE", b"NEGATIVE"]
    np.testing.assert_array_equal(result.as_numpy("score"), np.array([0.75, 0.75], np.float32))
    assert result.as_numpy("top").tolist() == [
        b'[{"label":"POSITIVE","score":0.75}]',
        b'[{"label":"NEGATIVE","score":0.75}]',
    ]


@either
async def test_a_parameter_as_an_input_of_one_element_or_one_for_each_row(
    protocol, text_classification
):
    async with protocol(text_classification) as client:
        rows = client.tensor("text", texts("good", "bad"), "BYTES")
        each = client.tensor("top_k", np.array([1, 2]), "INT64")
        result = await client.client.infer("tiny", [rows, each])
    assert [text.count(b"label") for text in result.as_numpy("top")] == [1, 2]


@either
async def test_vectors(protocol, embeddings):
    async with protocol(embeddings) as client:
        tensor = client.tensor("text", texts("a", "b b"), "BYTES")
        result = await client.client.infer("tiny", [tensor])
    expected = np.array([[1, 1, 0.1, -0.5], [3, 2, 0.1, -0.5]], np.float32)
    np.testing.assert_array_equal(result.as_numpy("embedding"), expected)


@either
async def test_loading_what_is_loaded_changes_nothing(protocol, predict):
    async with protocol(predict) as client:
        await client.client.load_model("tiny")
        assert await client.client.is_model_ready("tiny")


async def test_the_synchronous_clients(predict):
    def ask(kit, address):
        arrays = build_arrays(3)
        with kit.InferenceServerClient(address) as client:
            inputs = []
            for name, array in arrays.items():
                inputs.append(kit.InferInput(name, list(array.shape), name.upper()))
                inputs[-1].set_data_from_numpy(array)
            if kit is tritonclient.http:
                return client.async_infer("tiny", inputs).get_result(), arrays
            return client.infer("tiny", inputs, client_timeout=SOON), arrays

    for kit, address in (
        (tritonclient.http, predict.url.removeprefix("http://")),
        (tritonclient.grpc, predict.grpc_address),
    ):
        result, arrays = await asyncio.to_thread(ask, kit, address)
        for name in map(str.lower, ECHOED):
            np.testing.assert_array_equal(result.as_numpy(f"{name}_back"), arrays[name])
