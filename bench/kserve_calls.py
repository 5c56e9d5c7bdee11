"""KServe's own client, unchanged, against a server: runs in the environment of `make peers`.

Arguments: URL, gRPC address, model name, `numbers` or `texts`. Writes one line of JSON for each
call: client, call, what was wrong (empty if nothing).
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from typing import Any, ClassVar

import grpc
import httpx
import numpy as np
from kserve import (  # type: ignore[import-not-found]
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)

#: The model of numbers gives each of its inputs back doubled, a truth value turned over. Not FP16,
#: which has no typed contents in gRPC.
NUMBERS = {
    "FP32": np.float32,
    "FP64": np.float64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}
TEXTS = ["A cat sits on the mat.", "A kitten rests on a rug.", "Zoë's stock market fell sharply."]
NEARNESS = 1e-4

Check = Callable[[], Awaitable[None]]
Client = Any


class Refused(Exception):
    """The server refused, whichever protocol said so."""


class Rest:
    """Calls over HTTP as the client wants them; those over gRPC are called alike."""

    name = "InferenceRESTClient"
    ways: ClassVar = {"JSON": False, "binary": True}
    not_found = "404"

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model
        self._client: Client = InferenceRESTClient(RESTConfig(protocol="v2"))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def is_live(self) -> bool:
        """Ask whether the server lives."""
        return bool(await self._client.is_server_live(self._url))

    async def is_ready(self) -> bool:
        """Ask whether the server is ready."""
        return bool(await self._client.is_server_ready(self._url))

    async def is_model_ready(self) -> bool:
        """Ask whether the model is ready."""
        return bool(await self._client.is_model_ready(self._url, self._model))

    async def infer(self, arrays: dict[str, Any], *, binary: bool, model: str = "") -> Any:
        """Return the answer.

        Raises:
            Refused: the server did.
        """
        called = model or self._model
        request = build_request(called, arrays, binary=binary, binary_data_output=binary)
        try:
            return await self._client.infer(self._url, request, model_name=called)
        except httpx.HTTPStatusError as error:
            raise Refused(str(error.response.status_code)) from error


class Grpc(Rest):
    """The same over gRPC."""

    name = "InferenceGRPCClient"
    ways: ClassVar = {"typed": False, "raw": True}
    not_found = "NOT_FOUND"

    def __init__(self, address: str, model: str) -> None:
        self._model = model
        self._client = InferenceGRPCClient(address)

    async def is_live(self) -> bool:
        """Ask whether the server lives."""
        return bool(await self._client.is_server_live())

    async def is_ready(self) -> bool:
        """Ask whether the server is ready."""
        return bool(await self._client.is_server_ready())

    async def is_model_ready(self) -> bool:
        """Ask whether the model is ready."""
        return bool(await self._client.is_model_ready(self._model))

    async def infer(self, arrays: dict[str, Any], *, binary: bool, model: str = "") -> Any:
        """Return the answer.

        Raises:
            Refused: the server did.
        """
        request = build_request(model or self._model, arrays, binary=binary)
        try:
            return await self._client.infer(request)
        except grpc.aio.AioRpcError as error:
            raise Refused(error.code().name) from error


def build_request(model: str, arrays: dict[str, Any], *, binary: bool, **parameters: bool) -> Any:
    """Return a request of tensors; their names are told by `arrays`."""
    inputs = []
    for name, array in arrays.items():
        datatype = "BYTES" if array.dtype == object else name.upper()
        tensor = InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return InferRequest(model, inputs, request_id="peers", parameters=parameters)


def build_numbers() -> dict[str, Any]:
    """Return an array of each datatype."""
    rows = np.arange(6).reshape(2, 3)
    return {
        word.lower(): (rows % 2 if word == "BOOL" else rows).astype(kind)
        for word, kind in NUMBERS.items()
    }


def check_that(*, holds: bool, otherwise: str) -> None:
    """Complain unless it holds.

    Raises:
        ValueError: it does not.
    """
    if not holds:
        raise ValueError(otherwise)


async def check_numbers(client: Rest, *, binary: bool) -> None:
    """Send all datatypes, and hold the answer against numpy."""
    sent = build_numbers()
    told = await client.infer(sent, binary=binary)
    check_that(holds=told.id == "peers", otherwise=f"the id is {told.id!r}")
    for name, array in sent.items():
        found = told.get_output_by_name(name).as_numpy()
        wanted = ~array if array.dtype == np.bool_ else array * 2
        check_that(
            holds=found.dtype == wanted.dtype and np.array_equal(found, wanted),
            otherwise=f"{name}: {found.dtype} {found.tolist()}, expected {wanted.tolist()}",
        )


async def check_texts(client: Rest, *, binary: bool) -> None:
    """Send texts; like ones have like vectors of unit length."""
    texts = np.array([text.encode() for text in TEXTS], dtype=object)
    told = await client.infer({"text": texts}, binary=binary)
    vectors = told.get_output_by_name("embedding").as_numpy()
    check_that(holds=vectors.shape == (3, 384), otherwise=f"the shape is {vectors.shape}")
    lengths = np.linalg.norm(vectors, axis=1)
    check_that(
        holds=bool(np.abs(lengths - 1).max() < NEARNESS), otherwise=f"the lengths are {lengths}"
    )
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    check_that(holds=near > far, otherwise=f"the cosines are {near}, {far}")


async def check_stranger(client: Rest, arrays: dict[str, Any]) -> None:
    """Ask for a model that is not there."""
    try:
        await client.infer(arrays, binary=True, model="stranger")
    except Refused as refusal:
        check_that(holds=str(refusal) == client.not_found, otherwise=f"it says {refusal}")
    else:
        raise ValueError("it is answered")


async def check_true(question: Callable[[], Awaitable[bool]]) -> None:
    """Ask, and expect yes."""
    check_that(holds=await question(), otherwise="it says no")


def list_checks(client: Rest, content: str) -> Iterator[tuple[str, Awaitable[None]]]:
    """Yield each call by name."""
    yield "server live", check_true(client.is_live)
    yield "server ready", check_true(client.is_ready)
    yield "model ready", check_true(client.is_model_ready)
    check = check_numbers if content == "numbers" else check_texts
    for way, binary in client.ways.items():
        yield f"infer, {content}, {way}", check(client, binary=binary)
    arrays = build_numbers() if content == "numbers" else {"text": np.array([b"x"], object)}
    yield "infer, another model", check_stranger(client, arrays)


async def call_all(url: str, address: str, model: str, content: str) -> None:
    """Make the calls with both clients, and write what came of each."""
    for client in (Rest(url, model), Grpc(address, model)):
        name = f"kserve {version('kserve')} {client.name}"
        for call, check in list_checks(client, content):
            try:
                await check
                wrong = ""
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                wrong = f"{type(error).__name__}: {error}"
            print(json.dumps([name, call, wrong]), flush=True)
        await client.close()


if __name__ == "__main__":
    asyncio.run(call_all(*sys.argv[1:5]))
