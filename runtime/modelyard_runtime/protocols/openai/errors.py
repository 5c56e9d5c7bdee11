"""Problems in OpenAI's envelope."""

import http

from starlette.responses import Response

from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.openai.answers import ErrorAnswer
from modelyard_runtime.protocols.problem import Problem


def envelop(problem: Problem) -> ErrorAnswer:
    """Return the error as it stands in a body or in an event of a stream."""
    return {
        "error": {
            "message": problem.message,
            "type": _type_of(problem.status),
            "param": problem.param,
            "code": problem.code,
        }
    }


def render(problem: Problem) -> Response:
    """Return the error as a response."""
    return json_response(envelop(problem), status=problem.status, headers=problem.headers)


def _type_of(status: int) -> str:
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return (
        "server_error"
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
        else ("invalid_request_error")
    )
