"""Calls of inference.GRPCInferenceService, message by message."""

from typing import Any

import grpc.aio

from modelyard_runtime.protocols.open_inference.grpc_messages import SERVICE, build_messages

MESSAGES = build_messages()


def build_question(*texts: str, name: str = "text", model: str = "tiny", **fields: Any) -> Any:
    """Return a ModelInferRequest with one input of texts."""
    request = MESSAGES["ModelInferRequest"](model_name=model, **fields)
    tensor = request.inputs.add(name=name, datatype="BYTES", shape=[len(texts)])
    tensor.contents.bytes_contents.extend(text.encode() for text in texts)
    return request


def read_texts(raw: bytes) -> list[str]:
    """Return the elements of an output of texts."""
    texts = []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        texts.append(raw[4:end].decode())
        raw = raw[end:]
    return texts


def call(channel: grpc.aio.Channel, request: Any, *, method: str = "", **how: Any) -> Any:
    """Begin a call; its answer is awaited. The method is the one of the request's message."""
    method = method or request.DESCRIPTOR.name.removesuffix("Request")
    answer = MESSAGES.get(f"{method}Response", MESSAGES["ServerLiveResponse"])
    begin = channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=lambda message: (
            message if isinstance(message, bytes) else message.SerializeToString()
        ),
        response_deserializer=answer.FromString,
    )
    return begin(request, **how)
