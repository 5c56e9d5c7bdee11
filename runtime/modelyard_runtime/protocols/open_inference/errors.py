"""Problems in the protocol's envelope, which has room for one text only."""

from starlette.responses import Response

from modelyard_runtime.protocols.json_response import json_response
from modelyard_runtime.protocols.open_inference.schemas import ErrorAnswer
from modelyard_runtime.protocols.problem import Problem


def explain_problem(problem: Problem) -> str:
    """Return the text: the field, where there is one, and what is wrong with it."""
    return f"{problem.param}: {problem.message}" if problem.param else problem.message


def render(problem: Problem) -> Response:
    """Return the error as a response."""
    content: ErrorAnswer = {"error": explain_problem(problem)}
    return json_response(content, status=problem.status, headers=problem.headers)
