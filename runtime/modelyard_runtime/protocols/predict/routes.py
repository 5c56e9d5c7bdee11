"""`POST /predict` for the model's own task, and a route of its own for each task."""

import inspect
from typing import Any, Union

from fastapi import APIRouter, Request
from starlette.responses import Response

from modelyard_runtime.protocols.body import describe_body, read_body
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.media import describe_media, read_media_body
from modelyard_runtime.protocols.naming import naming_text
from modelyard_runtime.protocols.predict.schemas import ErrorAnswer
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.schema import Body
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.spec import TaskSpec
from modelyard_runtime.tasks.table import SPECS

PREDICT = "/predict"

_ERROR: dict[str, Any] = {"model": ErrorAnswer, "description": "Error"}


def build_router(service: InferenceService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["predict"])

    @router.post(
        PREDICT,
        summary="Do what the model does",
        response_model=None,
        responses={200: {"model": _any_answer(*SPECS.values())}, "default": _ERROR},
        openapi_extra=describe_body(*(spec.request for spec in SPECS.values())),
    )
    async def predict(request: Request) -> Response:
        """Do what the model does: the same as the route of its task."""
        return await _respond(request, service, SPECS[service.task])

    for spec in SPECS.values():
        _add_route(router, service, spec)
    return router


def _add_route(router: APIRouter, service: InferenceService, spec: TaskSpec) -> None:
    @router.post(
        spec.route,
        name=spec.task.value,
        summary=spec.summary.removesuffix("."),
        description=f"{spec.summary} {inspect.getdoc(spec.request)}",
        response_model=None,
        responses={200: {"model": _any_answer(spec)}, "default": _ERROR},
        openapi_extra=_describe_request(spec),
    )
    async def do_task(request: Request) -> Response:
        return await _respond(request, service, spec)


async def _respond(request: Request, service: InferenceService, spec: TaskSpec) -> Response:
    service.check_task(spec.task)
    body = await _read(request, spec)
    # Of two tasks: clients of rerank name the model at every route, and texts may be continued by
    # an adapter.
    adapter = service.find_adapter(getattr(body, "model", None))
    with naming_text("text"):
        results = await while_client_waits(
            request.receive, service.run(spec.task, spec.to_items(body), adapter=adapter)
        )
    return json_response(spec.to_answer(body, results))


async def _read(request: Request, spec: TaskSpec) -> Body:
    if spec.media is None:
        return await read_body(request, spec.request)
    return await read_media_body(request, spec.request, spec.media)


def _describe_request(spec: TaskSpec) -> dict[str, Any]:
    if spec.media is None:
        return describe_body(spec.request, example=spec.example)
    return describe_media(spec.request, spec.media, example=spec.example)


def _any_answer(*specs: TaskSpec) -> Any:
    """Return the type of what these tasks answer: to one item, or a list of that to several."""
    answers = [spec.answer for spec in specs]
    return Union[*answers, *(list[answer] for answer in answers)]  # type: ignore[valid-type]
