"""Any error as one value, before a protocol puts it into its own envelope."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

from modelyard_runtime.errors import Overloaded, RequestFault, Unavailable

#: A loading or stopping pod is soon replaced; clients that retry need not wait long.
_UNAVAILABLE_RETRY_SECONDS = 1

#: Of errors that HTTP itself knows.
_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What a client is told: `code` for machines, `message` for people, `param` the field."""

    status: int
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: Exception) -> Problem:
    """Return what a client may know of an error; of an unforeseen one, nothing."""
    if isinstance(error, RequestFault):
        return Problem(
            status=error.status,
            code=error.code,
            message=error.message,
            param=error.param,
            headers=_retry_after(error),
        )
    if isinstance(error, HTTPException):
        return Problem(
            status=error.status_code,
            code=_CODES.get(error.status_code, "http_error"),
            message=error.detail,
            headers=error.headers or {},
        )
    return Problem(
        status=500,
        code="internal_error",
        message="The server failed on this request; its log has the details.",
    )


def _retry_after(fault: RequestFault) -> dict[str, str]:
    match fault:
        case Overloaded():
            return {"retry-after": str(fault.retry_after_seconds)}
        case Unavailable():
            return {"retry-after": str(_UNAVAILABLE_RETRY_SECONDS)}
        case _:
            return {}
