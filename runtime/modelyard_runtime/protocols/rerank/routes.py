"""`POST /v1/rerank`, for cross-encoders and, by cosine, for embedding models.

The shape is that of Cohere's and Jina's routes of that name, which vLLM and others serve too.
"""

import uuid

from fastapi import APIRouter, Request
from starlette.responses import Response

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.protocols.body import describe_body, read_body
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.naming import naming_text
from modelyard_runtime.protocols.openai.answers import ErrorAnswer
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.rerank import (
    SPEC,
    Relevance,
    RerankAnswer,
    RerankRequest,
    compare,
    to_answer,
    to_items,
)

RERANK = "/v1/rerank"

#: The routes of each task that this protocol knows.
ROUTES = {Task.RERANK: (RERANK,), Task.EMBEDDINGS: (RERANK,)}


class RerankReply(RerankAnswer):
    """The documents, the most relevant first."""

    id: str
    model: str


def build_router(service: InferenceService) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["rerank"])

    @router.post(
        RERANK,
        response_model=None,
        responses={
            200: {"model": RerankReply},
            "default": {"model": ErrorAnswer, "description": "Error"},
        },
        openapi_extra=describe_body(RerankRequest, example=SPEC.example),
    )
    async def rerank(request: Request) -> Response:
        """Sort documents by how well they answer a query."""
        body = await read_body(request, RerankRequest)
        if body.model is not None:
            service.check_model(body.model)
        work = _embed if service.task is Task.EMBEDDINGS else _rerank
        relevance = await while_client_waits(request.receive, work(service, body))
        reply: RerankReply = {
            "id": f"rerank-{uuid.uuid4().hex}",
            "model": service.model_name,
            **to_answer(body, [relevance]),
        }
        return json_response(reply)

    return router


async def _rerank(service: InferenceService, body: RerankRequest) -> Relevance:
    (relevance,) = await service.run(Task.RERANK, to_items(body))
    found: Relevance = relevance
    return found


async def _embed(service: InferenceService, body: RerankRequest) -> Relevance:
    # One after the other, so that a fault names the field that it is in.
    with naming_text("query"):
        (query,) = await service.run(Task.EMBEDDINGS, [TextInput(body.query)])
    with naming_text("documents"):
        documents = await service.run(
            Task.EMBEDDINGS, [TextInput(document) for document in body.texts()]
        )
    return compare(query, documents)
