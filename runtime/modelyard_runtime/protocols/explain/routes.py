"""`POST /explain`: what an answer comes from. `GET /explain`: a page that asks for it."""

import asyncio
from typing import Any, Union

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.protocols.body import JSON, SCHEMA_REFERENCE, describe_body, read_body
from modelyard_runtime.protocols.explain import page
from modelyard_runtime.protocols.explain.accepting import prefers_page
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.media import (
    describe_media,
    is_form,
    read_form,
    read_media_body,
)
from modelyard_runtime.protocols.naming import naming_text
from modelyard_runtime.protocols.predict.schemas import ErrorAnswer
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.schema import Body
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.attribution import EXPLAINED, AttributionSpec, ExplainedText

EXPLAIN = "/explain"
#: The routes of each task that this protocol knows.
ROUTES = dict.fromkeys(EXPLAINED, (EXPLAIN,))

_HTML = "text/html"
_ANSWER: dict[str, Any] = {
    "model": Union[*(spec.answer for spec in EXPLAINED.values())],
    "content": {_HTML: {"schema": {"type": "string"}}},
}
_ERROR: dict[str, Any] = {"model": ErrorAnswer, "description": "Error"}


def build_router(service: InferenceService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["explain"])

    @router.get(
        EXPLAIN,
        summary="A page that asks for something to explain",
        response_class=HTMLResponse,
        responses={"default": _ERROR},
    )
    async def show_form() -> Response:
        """Return a form, for browsers."""
        spec = EXPLAINED[service.check_explained()]
        return page.respond(page.render_form(service.model_name, spec))

    @router.post(
        EXPLAIN,
        summary="Tell which parts a score comes from",
        response_model=None,
        responses={200: _ANSWER, "default": _ERROR},
        openapi_extra=describe_body(*(spec.request for spec in EXPLAINED.values())),
    )
    async def explain(request: Request) -> Response:
        """Tell what each token of a text, or part of a picture, adds to the score of a label.

        By integrated gradients. JSON, or a page where `Accept` prefers text/html.
        """
        spec = EXPLAINED[service.check_explained()]
        body: Any = await _read(request, spec)
        work = service.explain(spec.to_item(body), label=body.label or "", steps=body.steps)
        with naming_text("text"):
            explained = await while_client_waits(request.receive, work)
        if not prefers_page(request.headers.get("accept", "")):
            return json_response(spec.to_answer(body, explained), headers={"vary": "accept"})
        # Drawing takes tenths of a second, in which nobody else would be served.
        return page.respond(await asyncio.to_thread(_render, body, explained))

    return router


def restrict(paths: dict[str, Any], task: Task, *, is_explained: bool) -> None:
    """Describe the route in an OpenAPI document as it is for the loaded model."""
    if not is_explained:
        paths.pop(EXPLAIN, None)
        return
    spec = EXPLAINED[task]
    described = paths[EXPLAIN]["post"]
    described |= _describe_request(spec)
    answer = described["responses"]["200"]["content"][JSON]
    answer["schema"] = {"$ref": SCHEMA_REFERENCE.format(model=spec.answer.__name__)}


async def _read(request: Request, spec: AttributionSpec) -> Body:
    if spec.media is not None:
        return await read_media_body(request, spec.request, spec.media)
    if is_form(request):
        return await read_form(request, spec.request, "text")
    return await read_body(request, spec.request)


def _describe_request(spec: AttributionSpec) -> dict[str, Any]:
    if spec.media is None:
        return describe_body(spec.request, example=spec.example)
    return describe_media(spec.request, spec.media, example=spec.example)


def _render(body: Any, explained: Any) -> str:
    if isinstance(explained, ExplainedText):
        return page.render_text(body.text, explained)
    return page.render_picture(explained)
