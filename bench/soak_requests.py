"""The kinds of request that a soak sends, and what must come of each."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc.aio

from modelyard_local.errors import LocalError
from modelyard_runtime.protocols.open_inference.grpc_messages import SERVICE, build_messages

_TEXTS = ("Lovely.", "The harbour was quiet before the boats came in.", "Not at all. " * 6)
_LIMIT = aiohttp.ClientTimeout(total=120)
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ask:
    """A kind of request; `expected` is the status or code of its answer."""

    kind: str
    send: "Callable[[Asker], Awaitable[object]]"
    expected: object


class Asker:
    """Asks one server."""

    def __init__(
        self, session: aiohttp.ClientSession, channel: grpc.aio.Channel, url: str, model: str
    ) -> None:
        self.model = model
        self._session = session
        self._channel = channel
        self._url = url
        self._messages = build_messages()
        self._asked = 0

    async def ask(self, ask: Ask) -> object:
        """Send one, and return what came of it.

        Raises:
            LocalError: something else than what must.
        """
        self._asked += 1
        found = await ask.send(self)
        if found != ask.expected:
            raise LocalError(f"{self.model}: {ask.kind} was answered by {found}")
        return found

    def draw_texts(self) -> list[str]:
        """Return one to four texts of different lengths."""
        return [_TEXTS[(self._asked + i) % len(_TEXTS)] for i in range(1 + self._asked % 4)]

    async def post(self, path: str, body: Any, **headers: str) -> int:
        """Post JSON, or bytes as they are; return the status once the whole answer is there."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"content-type": "application/json", **headers}
        async with self._session.post(
            self._url + path, data=data, headers=headers, timeout=_LIMIT
        ) as answer:
            await answer.read()
            return answer.status

    async def leave(self, path: str, body: Any) -> str:
        """Post JSON, and be gone before there is an answer."""
        posting = asyncio.create_task(self.post(path, body))
        await asyncio.sleep(0.002)
        posting.cancel()
        await asyncio.wait({posting})
        return "left"

    async def call(self, texts: list[str], **parameters: int) -> str:
        """Call ModelInfer; return the code."""
        request = self._messages["ModelInferRequest"](model_name=self.model, id="soak")
        tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
        tensor.contents.bytes_contents.extend(text.encode() for text in texts)
        for name, value in parameters.items():
            request.parameters[name].int64_param = value
        begin = self._channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=self._messages["ModelInferRequest"].SerializeToString,
            response_deserializer=self._messages["ModelInferResponse"].FromString,
        )
        try:
            await begin(request, timeout=_SECONDS)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return "OK"


def infer_json(asker: Asker, **parameters: int) -> Awaitable[object]:
    """Ask by the Open Inference Protocol, in JSON."""
    texts = asker.draw_texts()
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    body: dict[str, Any] = {"inputs": [tensor], "parameters": parameters}
    return asker.post(f"/v2/models/{asker.model}/infer", body)


def infer_binary(asker: Asker, *, is_cut: bool = False) -> Awaitable[object]:
    """Ask by the Open Inference Protocol, with the texts as bytes; cut short, if that is wanted."""
    parts = [text.encode() for text in asker.draw_texts()]
    blob = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    tensor = {
        "name": "text",
        "shape": [len(parts)],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(blob)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return asker.post(
        f"/v2/models/{asker.model}/infer",
        head + (blob[:-1] if is_cut else blob),
        **{"Inference-Header-Content-Length": str(len(head))},
    )


def _predict(asker: Asker) -> Awaitable[object]:
    return asker.post("/predict", {"text": asker.draw_texts()})


_RIGHT = (
    Ask("predict", _predict, 200),
    Ask("infer, JSON", infer_json, 200),
    Ask("infer, bytes", infer_binary, 200),
    Ask("infer, gRPC", lambda asker: asker.call(asker.draw_texts()), "OK"),
)
_WRONG = (
    Ask("no JSON", lambda asker: asker.post("/predict", b"{"), 400),
    Ask("no such parameter", lambda asker: infer_json(asker, sequence_id=1), 400),
    Ask("bytes cut short", lambda asker: infer_binary(asker, is_cut=True), 400),
    Ask("an empty text, gRPC", lambda asker: asker.call([""]), "INVALID_ARGUMENT"),
    Ask("given up", lambda asker: asker.leave("/predict", {"text": asker.draw_texts()}), "left"),
)
_EMBED = Ask(
    "OpenAI's embeddings",
    lambda asker: asker.post("/v1/embeddings", {"model": asker.model, "input": asker.draw_texts()}),
    200,
)
_GENERATE = (
    Ask(
        "chat",
        lambda asker: asker.post(
            "/v1/chat/completions",
            {
                "model": asker.model,
                "messages": [{"role": "user", "content": "Who are you?"}],
                "max_tokens": 8,
            },
        ),
        200,
    ),
    Ask(
        "stream",
        lambda asker: asker.post(
            "/v1/completions",
            {"model": asker.model, "prompt": "Once", "max_tokens": 8, "stream": True},
        ),
        200,
    ),
    Ask("infer, gRPC", lambda asker: asker.call(["Once upon a time"], max_tokens=8), "OK"),
    Ask("infer, JSON", lambda asker: infer_json(asker, max_tokens=4), 200),
)

#: What each model is asked, each as often as another: about one in ten is a wrong one.
ASKS = {
    "smollm2": _GENERATE,
    "minilm": (*_RIGHT * 10, *(_EMBED,) * 10, *_WRONG),
    "sentiment": (*_RIGHT * 12, *_WRONG),
}
