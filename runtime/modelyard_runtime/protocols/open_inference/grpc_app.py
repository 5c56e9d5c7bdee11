"""inference.GRPCInferenceService, behind the same middleware as HTTP.

A gRPC call is an HTTP request whose body is a message, and is passed on as one: so keys, bounds,
logs and accounts are the same by construction. `grpc_listening` is who speaks HTTP/2.
"""

import importlib
import logging
from functools import cached_property
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard_runtime.errors import RequestFault
from modelyard_runtime.protocols.open_inference.errors import explain_problem
from modelyard_runtime.protocols.open_inference.inference import Inference
from modelyard_runtime.protocols.problem import Problem, problem_of

#: Key of the scope's extensions that tells a call from other requests. No client can set it.
EXTENSION = "modelyard.grpc"
#: Imported when the port is opened: with protobuf it takes a tenth of a second.
METHODS = "modelyard_runtime.protocols.open_inference.grpc_methods"

_log = logging.getLogger(__name__)


def is_grpc(scope: Scope) -> bool:
    """Whether a request is a gRPC call."""
    return EXTENSION in (scope.get("extensions") or {})


def render(problem: Problem) -> Response:
    """Return the error as a response; the listener makes gRPC's status of it."""
    return Response(
        explain_problem(problem),
        status_code=problem.status,
        headers=problem.headers,
        media_type="text/plain",
    )


class ByProtocol:
    """Passes calls on to one application, and everything else to the other."""

    def __init__(self, *, http: ASGIApp, grpc: ASGIApp) -> None:
        self._http = http
        self._grpc = grpc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        app = self._grpc if is_grpc(scope) else self._http
        await app(scope, receive, send)


class GrpcApp:
    """Answers calls: the body is the request's message, and the answer's body the answer's."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    @cached_property
    def _methods(self) -> Any:
        return importlib.import_module(METHODS).build_methods(self._inference)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        method = self._methods.get(request.scope["path"])
        if method is None:
            problem = Problem(
                status=HTTPStatus.NOT_IMPLEMENTED,
                code="unimplemented",
                message=f"There is no method {request.scope['path']}.",
            )
            return render(problem)
        # What accounts and audits call the route.
        request.scope["route"] = method
        try:
            return Response(await method.answer(await request.body()))
        except (RequestFault, HTTPException) as error:
            problem = problem_of(error)
            if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.error("request_failed", extra={"explanation": problem.message})
            return render(problem)
        except Exception as error:  # noqa: BLE001 - nobody is above who would answer the client
            _log.exception("request_failed_unforeseen")
            return render(problem_of(error))
