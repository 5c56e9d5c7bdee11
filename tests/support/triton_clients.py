"""tritonclient against a process of its own: the asynchronous clients, called alike."""

import gc
import warnings

import pytest_asyncio
import tritonclient.grpc.aio
import tritonclient.http.aio

from tests.support.runtime_process import started


def process_of(task):
    @pytest_asyncio.fixture(scope="module", loop_scope="module", name=task.replace("-", "_"))
    async def serve():
        async with started(config=f'{{"modelName": "tiny", "task": "{task}"}}') as runtime:
            await runtime.says("ready")
            yield runtime

    return serve


class Http:
    """tritonclient's asynchronous client for HTTP; those for gRPC are called alike."""

    kit = tritonclient.http.aio

    def __init__(self, runtime):
        self.client = self.kit.InferenceServerClient(runtime.url.removeprefix("http://"))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.client.close()
        # The client for HTTP does not release the connections of answers without a body for it.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()

    def tensor(self, name, array, datatype, *, shape=None, **how):
        tensor = self.kit.InferInput(name, list(shape or array.shape), datatype)
        tensor.set_data_from_numpy(array, **how)
        return tensor

    async def infer(self, arrays, *, outputs=None, model="tiny", **options):
        inputs = [self.tensor(name, array, name.upper()) for name, array in arrays.items()]
        wanted = outputs and [self.kit.InferRequestedOutput(name) for name in outputs]
        return await self.client.infer(model, inputs, outputs=wanted, **options)


class Grpc(Http):
    kit = tritonclient.grpc.aio

    def __init__(self, runtime):
        self.client = self.kit.InferenceServerClient(runtime.grpc_address)
