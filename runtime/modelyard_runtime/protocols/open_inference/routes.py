"""The protocol's HTTP routes."""

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from modelyard_runtime.errors import UnknownModel
from modelyard_runtime.protocols.body import MAX_AT_ONCE, AnyBody, describe_body, is_json
from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.open_inference import schemas
from modelyard_runtime.protocols.open_inference.http_codec import (
    LENGTH_HEADER,
    find_binary,
    read_question,
    write_answer,
)
from modelyard_runtime.protocols.open_inference.inference import (
    EXTENSIONS,
    MODEL_VERSION,
    SERVER,
    Inference,
)
from modelyard_runtime.protocols.open_inference.tensors import shown
from modelyard_runtime.protocols.presence import while_client_waits
from modelyard_runtime.schema import explain
from modelyard_runtime.version import VERSION

PREFIX = "/v2"

_MODEL = f"{PREFIX}/models/{{model_name}}"
_VERSIONED = f"{_MODEL}/versions/{{model_version}}"
_REPOSITORY = f"{PREFIX}/repository"
_BYTES = "application/octet-stream"

#: What infers.
INFER = (f"{_MODEL}/infer", f"{_VERSIONED}/infer")


def _route(path: str) -> str:
    """Return the path for names that have slashes themselves (`Qwen/Qwen2.5`).

    Such a path also matches longer ones: those are added first.
    """
    return path.replace("{model_name}", "{model_name:path}")


_ERROR: dict[int | str, dict[str, Any]] = {
    "default": {"model": schemas.ErrorAnswer, "description": "Error"}
}


def build_router(inference: Inference) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["open inference"], responses=_ERROR)
    _add_health(router, inference)
    _add_metadata(router, inference)
    _add_repository(router, inference)

    async def infer_version(request: Request, model_name: str, model_version: str) -> Response:
        """Compute the model's outputs for these tensors."""
        inference.check_model(model_name, model_version)
        _check_body_type(request)
        return await _infer(request, inference, model_name)

    async def infer(request: Request, model_name: str) -> Response:
        """Compute the model's outputs for these tensors."""
        return await infer_version(request, model_name, "")

    for path, answer in ((INFER[1], infer_version), (INFER[0], infer)):
        router.add_api_route(
            _route(path),
            answer,
            methods=["POST"],
            response_model=None,
            responses={200: {"model": schemas.InferenceAnswer}},
            openapi_extra=describe_body(schemas.InferenceRequest),
        )
    return router


async def _infer(request: Request, inference: Inference, name: str) -> Response:
    body, length = await request.body(), request.headers.get(LENGTH_HEADER)
    if len(body) > MAX_AT_ONCE:
        asked, question = await asyncio.to_thread(read_question, body, length)
    else:
        asked, question = read_question(body, length)
    if asked.model_name not in {None, name}:
        raise UnknownModel(
            f"The address names the model {name!r}, and the body {shown(asked.model_name)}.",
            param="model_name",
        )
    tensors = await while_client_waits(request.receive, inference.answer(question, name))
    identity = {"model_name": name, "model_version": MODEL_VERSION}
    if asked.id is not None:
        identity["id"] = asked.id
    head, blobs = write_answer(identity, tensors, find_binary(asked, tensors))
    if not blobs:
        return Response(head, media_type="application/json")
    return Response(
        b"".join((head, *blobs)),
        headers={LENGTH_HEADER: str(len(head))},
        media_type=_BYTES,
    )


def _add_health(router: APIRouter, inference: Inference) -> None:
    live: dict[int | str, dict[str, Any]] = {code: {"model": schemas.Live} for code in (200, 503)}
    ready: dict[int | str, dict[str, Any]] = {code: {"model": schemas.Ready} for code in (200, 503)}

    @router.get(f"{PREFIX}/health/live", response_model=None, responses=live)
    async def tell_live() -> Response:
        """Tell whether the process runs and its engine does."""
        return _answer_health("live", is_well=inference.is_live)

    @router.get(f"{PREFIX}/health/ready", response_model=None, responses=ready)
    async def tell_ready() -> Response:
        """Tell whether requests are welcome."""
        return _answer_health("ready", is_well=inference.is_ready)

    async def tell_version_ready(model_name: str, model_version: str) -> Response:
        """Tell whether requests to the model are welcome."""
        inference.check_model(model_name, model_version)
        return _answer_health("ready", is_well=inference.is_ready)

    async def tell_model_ready(model_name: str) -> Response:
        """Tell whether requests to the model are welcome."""
        return await tell_version_ready(model_name, "")

    for path, answer in (
        (f"{_VERSIONED}/ready", tell_version_ready),
        (f"{_MODEL}/ready", tell_model_ready),
    ):
        router.add_api_route(
            _route(path), answer, methods=["GET"], response_model=None, responses=ready
        )


def _add_metadata(router: APIRouter, inference: Inference) -> None:
    async def describe_server() -> Response:
        """Tell which server this is."""
        answer: schemas.ServerMetadata = {
            "name": SERVER,
            "version": VERSION,
            "extensions": list(EXTENSIONS),
        }
        return json_response(answer)

    # The specification's text has the first address, its OpenAPI document the second.
    for path, is_shown in ((PREFIX, True), (f"{PREFIX}/", False)):
        router.add_api_route(
            path,
            describe_server,
            methods=["GET"],
            response_model=None,
            responses={200: {"model": schemas.ServerMetadata}},
            include_in_schema=is_shown,
        )

    async def describe_version(model_name: str, model_version: str) -> Response:
        """Tell which tensors the model takes and gives."""
        inference.check_model(model_name, model_version)
        return json_response(inference.describe(model_name))

    async def describe_model(model_name: str) -> Response:
        """Tell which tensors the model takes and gives."""
        return await describe_version(model_name, "")

    for path, answer in ((_VERSIONED, describe_version), (_MODEL, describe_model)):
        router.add_api_route(
            _route(path),
            answer,
            methods=["GET"],
            response_model=None,
            responses={200: {"model": schemas.ModelMetadata}},
        )


def _add_repository(router: APIRouter, inference: Inference) -> None:
    @router.post(
        f"{_REPOSITORY}/index",
        response_model=None,
        responses={200: {"model": list[schemas.IndexEntry]}},
        openapi_extra=describe_body(schemas.IndexRequest, example={}, is_required=False),
    )
    async def list_models(request: Request) -> Response:
        """List the one model, and its adapters."""
        asked = await _read_optional(request, schemas.IndexRequest)
        return json_response(inference.list_models(ready_only=asked.ready))

    @router.post(
        _route(f"{_REPOSITORY}/models/{{model_name}}/load"),
        response_model=None,
        responses={200: {"model": schemas.Done}},
        openapi_extra=describe_body(schemas.LoadRequest, example={}, is_required=False),
    )
    async def load(request: Request, model_name: str) -> Response:
        """Confirm that the model is loaded."""
        asked = await _read_optional(request, schemas.LoadRequest)
        inference.load(model_name, asked.parameters)
        return json_response({})

    @router.post(
        _route(f"{_REPOSITORY}/models/{{model_name}}/unload"),
        status_code=HTTPStatus.BAD_REQUEST,
        response_model=None,
        responses={HTTPStatus.BAD_REQUEST: {"model": schemas.ErrorAnswer, "description": "Always"}},
        openapi_extra=describe_body(schemas.LoadRequest, example={}, is_required=False),
    )
    async def unload(request: Request, model_name: str) -> Response:
        """Refuse: a process has one model."""
        await _read_optional(request, schemas.LoadRequest)
        inference.unload(model_name)
        raise AssertionError("unloading is always refused")


async def _read_optional(request: Request, schema: type[AnyBody]) -> AnyBody:
    _check_body_type(request)
    body = await request.body()
    try:
        return schema.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise explain(error) from error


def _check_body_type(request: Request) -> None:
    """Refuse what a browser may send across origins without asking, and what is compressed.

    Official clients name no type, or that of bytes; but no browser leaves out where a request comes
    from. Compressed bodies may be far larger than they look.
    """
    headers = request.headers
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, without Content-Encoding."
        )
    kind = headers.get("content-type", "")
    is_unnamed = not kind and "origin" not in headers
    if is_unnamed or is_json(request) or kind.lower() == _BYTES or LENGTH_HEADER in headers:
        return
    raise HTTPException(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Send JSON with the header Content-Type: application/json, or JSON and bytes with the "
        "header Inference-Header-Content-Length.",
    )


def _answer_health(what: str, *, is_well: bool) -> Response:
    return json_response(
        {what: is_well}, status=HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
    )
