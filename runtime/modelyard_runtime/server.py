"""The two applications: what clients reach, and what only the platform does."""

from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from modelyard_runtime.access.key_folder import KeyFolder
from modelyard_runtime.accounts.bookkeeping import Bookkeeper
from modelyard_runtime.describing import ROUTES, Documents
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.middleware.access import Access
from modelyard_runtime.middleware.accounting import Accounting
from modelyard_runtime.middleware.admission import Admission
from modelyard_runtime.middleware.authentication import Authentication
from modelyard_runtime.middleware.body_limit import BodyLimit
from modelyard_runtime.middleware.farewell import Farewell
from modelyard_runtime.middleware.request_id import RequestId
from modelyard_runtime.middleware.unforeseen import Unforeseen
from modelyard_runtime.protocols import health
from modelyard_runtime.protocols.documentation import routes as documentation
from modelyard_runtime.protocols.explain import routes as explain
from modelyard_runtime.protocols.open_inference import routes as open_inference
from modelyard_runtime.protocols.open_inference.grpc_app import ByProtocol, GrpcApp
from modelyard_runtime.protocols.open_inference.inference import Inference
from modelyard_runtime.protocols.openai import routes as openai
from modelyard_runtime.protocols.predict import routes as predict
from modelyard_runtime.protocols.rerank import routes as rerank
from modelyard_runtime.refusals import add_handlers, refuse_crowd, refuse_stranger
from modelyard_runtime.reporting import build_report
from modelyard_runtime.service import InferenceService
from modelyard_runtime.settings import Settings
from modelyard_runtime.tasks.table import SPECS


def build_app(
    life: Lifecycle,
    metrics: Metrics,
    settings: Settings,
    *,
    keys: KeyFolder | None = None,
    bookkeeper: Bookkeeper | None = None,
) -> ASGIApp:
    """Return the application of the serving port: protocols and probes.

    Without keys everybody is let in; without a bookkeeper nothing is written down.
    """
    service = InferenceService(life, metrics, routes=ROUTES)
    inference = Inference(life, service, SPECS)
    api = _new_api("Modelyard runtime")
    documents = Documents(api, life, needs_key=keys is not None)
    for router in (
        openai.build_router(service),
        predict.build_router(service),
        rerank.build_router(service),
        explain.build_router(service),
        open_inference.build_router(inference),
        health.build_router(life),
        documentation.build_router(documents.render),
    ):
        api.include_router(router)

    # The innermost first. FastAPI's own `add_middleware` would put these inside of its handler of
    # unforeseen errors, whose answers would then miss their id and their line in the log.
    app: ASGIApp = Unforeseen(ByProtocol(http=api, grpc=GrpcApp(inference)))
    app = BodyLimit(
        app,
        max_bytes=lambda: _limit_body(life, settings),
        seconds=settings.body_seconds,
        max_together=settings.max_bodies_bytes,
    )
    app = Admission(
        app, max_requests=settings.max_requests, exempt=health.PATHS, refuse=refuse_crowd
    )
    if keys is not None:
        # Before the bound on requests inside: who has no key takes no place of those who have.
        app = Authentication(
            app,
            find_owner=keys.find_owner,
            find_reader=keys.find_reader,
            pages=documentation.PATHS,
            exempt=health.PATHS,
            refuse=refuse_stranger,
        )
    if bookkeeper is not None:
        app = Accounting(app, life=life, note=bookkeeper.note, exempt=health.PATHS)
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
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # It would record bodies, and so prompts, wherever some package has set up OpenTelemetry.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    add_handlers(api)
    return api


def _limit_body(life: Lifecycle, settings: Settings) -> int:
    engine = life.engine
    if engine is not None and SPECS[engine.info.task].media is not None:
        return max(settings.max_body_bytes, settings.max_media_bytes)
    return settings.max_body_bytes
