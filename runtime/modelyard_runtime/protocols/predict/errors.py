"""Problems in the plain envelope."""

from starlette.responses import Response

from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.predict.schemas import ErrorAnswer
from modelyard_runtime.protocols.problem import Problem


def render(problem: Problem) -> Response:
    """Return the error as a response."""
    content: ErrorAnswer = {
        "error": {"code": problem.code, "message": problem.message, "field": problem.param}
    }
    return json_response(content, status=problem.status, headers=problem.headers)
