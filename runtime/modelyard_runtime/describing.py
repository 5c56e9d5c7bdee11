"""The OpenAPI document: what the loaded model can be asked, and how."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.protocols.body import SCHEMA_REFERENCE
from modelyard_runtime.protocols.open_inference.examples import add_example
from modelyard_runtime.protocols.open_inference.schemas import (
    IndexRequest,
    InferenceRequest,
    LoadRequest,
)
from modelyard_runtime.protocols.openai import routes as openai
from modelyard_runtime.protocols.openai.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
)
from modelyard_runtime.protocols.predict import routes as predict
from modelyard_runtime.protocols.rerank import routes as rerank
from modelyard_runtime.schema import Body
from modelyard_runtime.tasks.table import SPECS

#: What a model is told to be reachable at, when a client asks at the wrong route.
ROUTES = {
    task: (*openai.ROUTES.get(task, ()), *rerank.ROUTES.get(task, ()), predict.PREDICT, spec.route)
    for task, spec in SPECS.items()
}

_BODIES: tuple[type[Body], ...] = (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    InferenceRequest,
    IndexRequest,
    LoadRequest,
    *(spec.request for spec in SPECS.values()),
)


def describe(api: FastAPI, task: Task | None) -> dict[str, Any]:
    """Return the document, of the routes of this task only; None: of all."""
    document = get_openapi(title=api.title, version=api.version, routes=api.routes)
    _, bodies = models_json_schema(
        [(body, "validation") for body in _BODIES], ref_template=SCHEMA_REFERENCE
    )
    document["components"]["schemas"].update(bodies["$defs"])
    if task is not None:
        _restrict(document["paths"], task)
        add_example(document["paths"], SPECS[task])
    return document


def _restrict(paths: dict[str, Any], task: Task) -> None:
    """Drop the routes of other tasks; `/predict` takes what the task's own route does."""
    own = ROUTES[task]
    others = {route for routes in ROUTES.values() for route in routes}.difference(own)
    for route in others & paths.keys():
        del paths[route]
    does = paths[SPECS[task].route]["post"]
    for part in ("requestBody", "responses"):
        paths[predict.PREDICT]["post"][part] = does[part]
