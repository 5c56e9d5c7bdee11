"""Every error that leaves the server, in the envelope of the protocol whose path was asked."""

import http
import logging
import re

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from modelyard_runtime.errors import Overloaded, RequestFault
from modelyard_runtime.middleware.access import CLIENT_LEFT
from modelyard_runtime.protocols.documentation import routes as documentation
from modelyard_runtime.protocols.open_inference import errors as open_inference
from modelyard_runtime.protocols.open_inference import grpc_app
from modelyard_runtime.protocols.openai import errors as openai
from modelyard_runtime.protocols.predict import errors as predict
from modelyard_runtime.protocols.presence import ClientGone
from modelyard_runtime.protocols.problem import Problem, problem_of

_log = logging.getLogger(__name__)

_LOGIN = 'Basic realm="any name, and an API key as the password", charset="UTF-8"'
_OPENAI_PREFIX = "/v1/"
_OPEN_INFERENCE = re.compile(r"/v2(/|$)")


def add_handlers(api: FastAPI) -> None:
    """Let the application answer all errors by this module."""
    for kind in (RequestFault, HTTPException, Exception):
        api.add_exception_handler(kind, _answer)
    for kind in (ClientGone, ClientDisconnect):
        api.add_exception_handler(kind, _note_absence)


async def refuse_crowd(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for which there is no room in the server."""
    fault = Overloaded("The server has too many requests inside; try again soon.")
    await _render(scope, problem_of(fault))(scope, receive, send)


async def refuse_stranger(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request without a key that is in force; it is not told what was wrong with it.

    A browser that opens the page of the API asks its user, if the answer is of this scheme.
    """
    is_page = scope["path"] == documentation.PAGE
    problem = Problem(
        status=http.HTTPStatus.UNAUTHORIZED,
        code="invalid_api_key",
        message="This needs an API key: send Authorization: Bearer KEY, or X-API-Key: KEY.",
        headers={"www-authenticate": _LOGIN if is_page else "Bearer"},
    )
    await _render(scope, problem)(scope, receive, send)


async def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(_explain(request, error) if isinstance(error, HTTPException) else error)
    if isinstance(error, RequestFault) and problem.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request_failed", extra={"explanation": problem.message})
    return _render(request.scope, problem)


async def _note_absence(_request: Request, _error: Exception) -> Response:
    """Answer nobody; the status is for the log and the metrics."""
    return Response(status_code=CLIENT_LEFT)


def _explain(request: Request, error: HTTPException) -> HTTPException:
    """Say more than the two words that the router has for a wrong address or method."""
    match error.status_code:
        case http.HTTPStatus.NOT_FOUND:
            message = f"There is no route {request.method} {request.url.path}."
        case http.HTTPStatus.METHOD_NOT_ALLOWED:
            message = f"{request.url.path} does not take {request.method}."
        case _:
            return error
    return HTTPException(error.status_code, message, headers=error.headers)


def _render(scope: Scope, problem: Problem) -> Response:
    path = scope["path"]
    if grpc_app.is_grpc(scope):
        return grpc_app.render(problem)
    if _OPEN_INFERENCE.match(path):
        return open_inference.render(problem)
    render = openai.render if path.startswith(_OPENAI_PREFIX) else predict.render
    return render(problem)
