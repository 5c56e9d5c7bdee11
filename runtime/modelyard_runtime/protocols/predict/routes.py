"""`POST /predict`: one route for every task."""

import uuid
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, assert_never

from fastapi import APIRouter, Request
from starlette.responses import Response

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import GenerateRequest
from modelyard_runtime.protocols.body import describe_body, read_body
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.naming import naming_text
from modelyard_runtime.protocols.predict.convert import (
    check_fields,
    to_body,
    to_embedding,
    to_generations,
    to_inputs,
    to_label,
)
from modelyard_runtime.protocols.predict.schemas import (
    Answer,
    ErrorAnswer,
    PredictRequest,
    TextAnswer,
)
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.service import InferenceService

PREDICT = "/predict"

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Answer | list[Answer]},
    "default": {"model": ErrorAnswer, "description": "Error"},
}


def build_router(service: InferenceService) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["predict"])

    @router.post(
        PREDICT,
        response_model=None,
        responses=_RESPONSES,
        openapi_extra=describe_body(PredictRequest),
    )
    async def predict(request: Request) -> Response:
        """Classify, embed or continue a text: what the model does."""
        body = await read_body(request, PredictRequest)
        task = service.task
        check_fields(body, task)
        with naming_text("text"):
            answers = await while_client_waits(request.receive, _compute(service, task, body))
        return json_response(to_body(body, answers))

    return router


async def _compute(service: InferenceService, task: Task, body: PredictRequest) -> list[Answer]:
    match task:
        case Task.TEXT_CLASSIFICATION:
            labels = await service.classify(to_inputs(body))
            return [to_label(result, body.top_k) for result in labels]
        case Task.EMBEDDINGS:
            return [to_embedding(result) for result in await service.embed(to_inputs(body))]
        case Task.TEXT_GENERATION:
            requests = to_generations(body, request_id=f"predict-{uuid.uuid4().hex}")
            return await _continue(service, requests)
        case Task.AUTO:
            raise AssertionError("a loaded model has a task of its own")
        case _:
            assert_never(task)


async def _continue(service: InferenceService, requests: Sequence[GenerateRequest]) -> list[Answer]:
    texts = ["" for _ in requests]
    async with service.generate(requests) as answer, aclosing(answer.chunks()) as chunks:
        async for chunk in chunks:
            texts[chunk.index] += chunk.text
    answers: list[Answer] = [TextAnswer(text=text) for text in texts]
    return answers
