"""OpenAI's routes: read, convert, hand over, answer."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import GenerateRequest
from modelyard_runtime.protocols.body import describe_body, read_body
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.naming import naming_text
from modelyard_runtime.protocols.openai import transcriptions
from modelyard_runtime.protocols.openai.answers import (
    ChatCompletion,
    Completion,
    EmbeddingList,
    ErrorAnswer,
    ModelCard,
    ModelList,
)
from modelyard_runtime.protocols.openai.convert import (
    to_chat,
    to_completions,
    to_embedding_list,
    to_inputs,
)
from modelyard_runtime.protocols.openai.generating import Shape, complete, stream_events
from modelyard_runtime.protocols.openai.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Sampled,
)
from modelyard_runtime.protocols.openai.shapes import ChatShape, TextShape
from modelyard_runtime.protocols.openai.sse import EventStream
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.service import InferenceService

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
MODELS = "/v1/models"

#: The routes of each task that OpenAI's protocol knows.
ROUTES = {
    Task.TEXT_GENERATION: (CHAT, COMPLETIONS),
    Task.EMBEDDINGS: (EMBEDDINGS,),
    Task.AUTOMATIC_SPEECH_RECOGNITION: (transcriptions.TRANSCRIPTIONS,),
}


def build_router(service: InferenceService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["OpenAI"])
    _add_generation(router, service)
    _add_embeddings(router, service)
    _add_models(router, service)
    router.include_router(transcriptions.build_router(service))
    return router


def _add_generation(router: APIRouter, service: InferenceService) -> None:
    @router.post(
        CHAT,
        response_model=None,
        responses=_described(ChatCompletion, events="chat.completion.chunk"),
        openapi_extra=describe_body(ChatRequest),
    )
    async def chat(request: Request) -> Response:
        """Answer a chat, whole or as a stream of events."""
        body = await read_body(request, ChatRequest)
        shape = ChatShape(
            _new_id("chatcmpl"),
            _now(),
            body.model,
            with_usage=_wants_usage(body),
            with_logprobs=bool(body.logprobs),
        )
        requests = [to_chat(body, request_id=shape.id)]
        with naming_text("messages"):
            return await _generate(request, service, body, requests, shape)

    @router.post(
        COMPLETIONS,
        response_model=None,
        responses=_described(Completion, events="text_completion"),
        openapi_extra=describe_body(CompletionRequest),
    )
    async def completions(request: Request) -> Response:
        """Continue one or several texts, whole or as a stream of events."""
        body = await read_body(request, CompletionRequest)
        shape = TextShape(
            _new_id("cmpl"),
            _now(),
            body.model,
            with_usage=_wants_usage(body),
            with_logprobs=body.logprobs is not None,
        )
        requests = to_completions(body, request_id=shape.id)
        return await _generate(request, service, body, requests, shape)


def _add_embeddings(router: APIRouter, service: InferenceService) -> None:
    @router.post(
        EMBEDDINGS,
        response_model=None,
        responses=_described(EmbeddingList),
        openapi_extra=describe_body(EmbeddingRequest),
    )
    async def embeddings(request: Request) -> Response:
        """Turn one or several texts into vectors."""
        body = await read_body(request, EmbeddingRequest)
        service.check_model(body.model)
        vectors = await while_client_waits(
            request.receive, service.run(Task.EMBEDDINGS, to_inputs(body))
        )
        return json_response(to_embedding_list(vectors, body))


def _add_models(router: APIRouter, service: InferenceService) -> None:
    own: ModelCard = {
        "id": service.model_name,
        "object": "model",
        "created": _now(),
        "owned_by": "modelyard",
    }
    adapters: list[ModelCard] = [
        {**own, "id": name, "parent": service.model_name} for name in service.adapter_names
    ]
    cards = {card["id"]: card for card in (own, *adapters)}

    @router.get(MODELS, response_model=None, responses=_described(ModelList))
    async def models() -> Response:
        """List the model and its adapters."""
        answer: ModelList = {"object": "list", "data": list(cards.values())}
        return json_response(answer)

    @router.get(f"{MODELS}/{{name:path}}", response_model=None, responses=_described(ModelCard))
    async def model(name: str) -> Response:
        """Describe the model, or an adapter of it. Names may have slashes."""
        service.check_model(name)
        return json_response(cards[name])


async def _generate(
    request: Request,
    service: InferenceService,
    body: Sampled,
    requests: Sequence[GenerateRequest],
    shape: Shape,
) -> Response:
    adapter = service.find_adapter(body.model)
    requests = [replace(one, adapter=adapter) for one in requests]
    if not body.stream:
        return json_response(
            await while_client_waits(request.receive, complete(service, requests, shape))
        )
    events = stream_events(service, requests, shape)
    return EventStream(await while_client_waits(request.receive, anext(events)), events)


def _described(answer: Any, *, events: str = "") -> dict[int | str, dict[str, Any]]:
    """Return what a route answers; `events` is the kind of object that a stream of it has."""
    told: dict[str, Any] = {"model": answer}
    if events:
        told["content"] = {EventStream.media_type: {"schema": _describe_events(events)}}
    return {200: told, "default": {"model": ErrorAnswer, "description": "Error"}}


def _describe_events(kind: str) -> dict[str, str]:
    return {
        "type": "string",
        "description": f"With stream true: server-sent events, each a {kind} in JSON as its data; "
        "the last is [DONE].",
    }


def _wants_usage(body: Sampled) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


def _new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex}"


def _now() -> int:
    return int(time.time())
