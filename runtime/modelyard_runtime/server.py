"""The two applications: what clients reach, and what only the platform does."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import Response
from starlette.types import ASGIApp

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.middleware.access import Access
from modelyard_runtime.middleware.admission import Admission
from modelyard_runtime.middleware.body_limit import BodyLimit
from modelyard_runtime.middleware.farewell import Farewell
from modelyard_runtime.middleware.request_id import RequestId
from modelyard_runtime.middleware.unforeseen import Unforeseen
from modelyard_runtime.protocols import health
from modelyard_runtime.protocols.body import SCHEMA_REFERENCE, Body
from modelyard_runtime.protocols.openai import routes as openai
from modelyard_runtime.protocols.openai.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
)
from modelyard_runtime.protocols.predict import routes as predict
from modelyard_runtime.protocols.predict.schemas import PredictRequest
from modelyard_runtime.refusals import add_handlers, refuse_crowd
from modelyard_runtime.reporting import build_report
from modelyard_runtime.service import InferenceService
from modelyard_runtime.settings import Settings

#: What a model is told to be reachable at, when a client asks at the wrong route.
ROUTES = {
    Task.TEXT_GENERATION: (openai.CHAT, openai.COMPLETIONS, predict.PREDICT),
    Task.EMBEDDINGS: (openai.EMBEDDINGS, predict.PREDICT),
    Task.TEXT_CLASSIFICATION: (predict.PREDICT,),
}

_BODIES: tuple[type[Body], ...] = (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    PredictRequest,
)


def build_app(life: Lifecycle, metrics: Metrics, settings: Settings) -> ASGIApp:
    """Return the application of the serving port: protocols and probes."""
    service = InferenceService(life, metrics, routes=ROUTES)
    api = _new_api("Modelyard runtime")
    for router in (
        openai.build_router(service),
        predict.build_router(service),
        health.build_router(life),
    ):
        api.include_router(router)
    api.openapi = lambda: _describe(api)  # type: ignore[method-assign]  # FastAPI's documented way

    # The innermost first. FastAPI's own `add_middleware` would put these inside of its handler of
    # unforeseen errors, whose answers would then miss their id and their line in the log.
    app: ASGIApp = Unforeseen(api)
    app = BodyLimit(app, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds)
    app = Admission(
        app, max_requests=settings.max_requests, exempt=health.PATHS, refuse=refuse_crowd
    )
    app = Farewell(app, is_stopping=lambda: life.is_stopping)
    app = Access(app, metrics=metrics, unobserved=health.PATHS)
    return RequestId(app)


def build_internal_app(life: Lifecycle, metrics: Metrics) -> ASGIApp:
    """Return the application of the internal port: `/metrics` and `/report`."""
    api = _new_api("Modelyard runtime, internal")
    router = APIRouter()

    @router.get("/metrics", response_model=None)
    async def render_metrics() -> Response:
        """Prometheus's text format."""
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/report", response_model=None)
    async def report() -> Response:
        """RuntimeReport v1."""
        return Response(
            build_report(life).model_dump_json(by_alias=True, exclude_defaults=True),
            media_type="application/json",
        )

    api.include_router(router)
    return api


def _new_api(title: str) -> FastAPI:
    api = FastAPI(
        title=title,
        # FastAPI's pages for /docs and /redoc come from a CDN, which a cluster need not reach.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # It would record bodies, and so prompts, wherever some package has set up OpenTelemetry.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    add_handlers(api)
    return api


def _describe(api: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the bodies that the routes read by themselves."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, routes=api.routes)
        _, bodies = models_json_schema(
            [(body, "validation") for body in _BODIES], ref_template=SCHEMA_REFERENCE
        )
        document["components"]["schemas"].update(bodies["$defs"])
        api.openapi_schema = document
    return api.openapi_schema
