"""The OpenAPI document: what the loaded model can be asked, and how."""

from typing import Any, cast

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.engine.base import BatchEngine
from modelyard_runtime.examples import build_examples
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.protocols import health
from modelyard_runtime.protocols.body import SCHEMA_REFERENCE
from modelyard_runtime.protocols.documentation.document import (
    name_model,
    put_examples,
    require_key,
)
from modelyard_runtime.protocols.explain import routes as explain
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
from modelyard_runtime.tasks.attribution import EXPLAINED
from modelyard_runtime.tasks.table import SPECS

#: What a model is told to be reachable at, when a client asks at the wrong route.
ROUTES = {
    task: (
        *openai.ROUTES.get(task, ()),
        *rerank.ROUTES.get(task, ()),
        predict.PREDICT,
        spec.route,
        *explain.ROUTES.get(task, ()),
    )
    for task, spec in SPECS.items()
}

_DESCRIPTION = (
    "What this model takes and answers. The examples are made for it: each can be sent as it is. "
    "A request that is malformed, too long, or not for this model is answered with an error that "
    "names the field."
)

_BODIES: tuple[type[Body], ...] = (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    InferenceRequest,
    IndexRequest,
    LoadRequest,
    *(spec.request for spec in SPECS.values()),
    *(spec.request for spec in EXPLAINED.values()),
)


class Documents:
    """The document as it is now, made when it is first asked for and when the model is loaded."""

    def __init__(self, api: FastAPI, life: Lifecycle, *, needs_key: bool) -> None:
        self._api = api
        self._life = life
        self._needs_key = needs_key
        self._made: dict[bool, bytes] = {}

    def render(self) -> bytes:
        """Return it as JSON; until the model is loaded, it has all that a model might do."""
        is_loaded = self._life.engine is not None
        if is_loaded not in self._made:
            document = describe(self._api, self._life, needs_key=self._needs_key)
            self._made[is_loaded] = orjson.dumps(document)
        return self._made[is_loaded]


def describe(api: FastAPI, life: Lifecycle, *, needs_key: bool) -> dict[str, Any]:
    """Return the document, of the loaded model's routes only; until it is loaded, of all."""
    document = get_openapi(
        title=f"{life.config.model_name}: a model served by Modelyard",
        version=api.version,
        description=_DESCRIPTION,
        routes=api.routes,
    )
    _, bodies = models_json_schema(
        [(body, "validation") for body in _BODIES], ref_template=SCHEMA_REFERENCE
    )
    document["components"]["schemas"].update(bodies["$defs"])
    if needs_key:
        require_key(document, open_paths=health.PATHS)
    name_model(document["paths"], life.config.model_name)
    if life.engine is not None:
        task = life.engine.info.task
        _restrict(document["paths"], task)
        is_explained = task in EXPLAINED and not cast(BatchEngine, life.engine).unexplained
        explain.restrict(document["paths"], task, is_explained=is_explained)
        put_examples(document["paths"], build_examples(life.engine, life.config.model_name))
    return document


def _restrict(paths: dict[str, Any], task: Task) -> None:
    """Drop the routes of other tasks; `/predict` takes what the task's own route does."""
    own = ROUTES[task]
    others = {route for routes in ROUTES.values() for route in routes}.difference(own)
    for route in others & paths.keys():
        del paths[route]
    does = paths[SPECS[task].route]["post"]
    for part in ("description", "requestBody", "responses"):
        paths[predict.PREDICT]["post"][part] = does[part]
