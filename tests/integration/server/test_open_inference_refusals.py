"""What tritonclient asks in vain: refused by name, alike over HTTP and gRPC."""

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.support.tensor_engine import build_arrays
from tests.support.triton_clients import Grpc, Http, process_of

#: One process; none of these requests changes it.
pytestmark = pytest.mark.asyncio(loop_scope="module")

tensors = process_of("predict")
either = pytest.mark.parametrize("protocol", [Http, Grpc])


def one(client, array, datatype="FP32", *, name="fp32", times=1):
    return client.client.infer("tiny", [client.tensor(name, array, datatype)] * times)


def shared(client):
    tensor = client.kit.InferInput("fp32", [3, 2], "FP32")
    tensor.set_shared_memory("region", 24)
    return client.client.infer("tiny", [tensor])


ROWS = np.zeros((3, 2), np.float32)
BAD = ("400", "StatusCode.INVALID_ARGUMENT")
MISSING = ("404", "StatusCode.NOT_FOUND")


@pytest.mark.parametrize(
    ("ask", "status", "said"),
    [
        pytest.param(
            lambda client: client.infer(build_arrays(), model="other"),
            MISSING,
            "'other' is not served here",
            id="another model",
        ),
        pytest.param(
            lambda client: client.infer(build_arrays(), model_version="2"),
            MISSING,
            "version '1', not '2'",
            id="another version",
        ),
        pytest.param(
            lambda client: one(client, ROWS, name="fp99"),
            BAD,
            "inputs.fp99.name: The model has no input 'fp99'",
            id="no such input",
        ),
        pytest.param(
            lambda client: client.infer(build_arrays(), outputs=["nothing"]),
            BAD,
            "outputs[0].name: The output 'nothing' is unknown; there are bool_back, uint8_back,",
            id="no such output",
        ),
        pytest.param(
            lambda client: one(client, ROWS),
            BAD,
            "inputs.bool: The input 'bool' is missing",
            id="an input is missing",
        ),
        pytest.param(
            lambda client: one(client, np.zeros((3, 2)), "FP64"),
            BAD,
            "inputs.fp32.datatype: The input 'fp32' is FP64; the model takes FP32",
            id="another datatype",
        ),
        pytest.param(
            lambda client: one(client, ROWS[0]),
            BAD,
            "inputs.fp32.shape: The input 'fp32' has the shape [2]; the model takes [-1, 2]",
            id="another rank",
        ),
        pytest.param(
            lambda client: one(client, np.zeros((3, 1), np.float32)),
            BAD,
            "inputs.fp32.shape: The input 'fp32' has the shape [3, 1]",
            id="another size",
        ),
        pytest.param(
            lambda client: one(client, ROWS, times=2),
            BAD,
            "inputs[1].name: The input 'fp32' is there twice",
            id="an input twice",
        ),
        pytest.param(
            lambda client: client.infer(build_arrays(), sequence_id=7),
            BAD,
            "parameters.sequence_",
            id="a sequence",
        ),
        pytest.param(
            lambda client: client.infer(build_arrays(), priority=1),
            BAD,
            "parameters.priority",
            id="a priority",
        ),
        pytest.param(shared, BAD, "parameters.shared_memory_", id="shared memory"),
        pytest.param(
            lambda client: client.client.load_model("other"),
            MISSING,
            "'other' is not served here",
            id="loading another model",
        ),
        pytest.param(
            lambda client: client.client.load_model("tiny", config="{}"),
            BAD,
            "parameters: The model cannot be loaded with other parameters",
            id="loading with another configuration",
        ),
        pytest.param(
            lambda client: client.client.unload_model("tiny"),
            BAD,
            "cannot be unloaded",
            id="unloading",
        ),
    ],
)
@either
async def test_what_is_wrong_is_refused_by_name(protocol, ask, status, said, predict):
    async with protocol(predict) as client:
        with pytest.raises(InferenceServerException) as caught:
            await ask(client)
    error = caught.value
    assert error.status() == status[protocol is Grpc]
    assert said in error.message()
