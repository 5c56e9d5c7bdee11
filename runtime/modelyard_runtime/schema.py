"""What request schemas have in common: exact types, and errors that name the field at fault."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema

from modelyard_runtime.errors import InvalidRequest

#: Of an unknown field, in an error: it can be as long as the body.
_MAX_NAME = 64


class Body(BaseModel):
    """Base of request schemas: exact types (true is no number), no NaN, no unknown fields."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        # A prompt must not get into a log by way of an error.
        hide_input_in_errors=True,
    )


class Expected:
    """Annotation of a union: one plain sentence instead of each branch's complaint."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Wrap the union's schema."""
        return core_schema.custom_error_schema(
            handler(source),
            custom_error_type="invalid_type",
            custom_error_message=f"Expected {self._what}",
        )


def unsupported() -> PydanticCustomError:
    """Return the error of a field that has no effect here; its name is added later."""
    return PydanticCustomError("unsupported_parameter", "not supported")


def conflict(param: str, message: str) -> PydanticCustomError:
    """Return the error of fields that contradict each other; `param` is the one to change."""
    return PydanticCustomError("conflict", "{message}", {"param": param, "message": message})


def explain(invalid: ValidationError) -> InvalidRequest:
    """Return the first thing that is wrong, for the client."""
    error = invalid.errors(include_url=False, include_input=False)[0]
    return _explain(error)


def _explain(error: ErrorDetails) -> InvalidRequest:
    param = _path(error["loc"])
    code = error["type"]
    match code:
        case "json_invalid":
            return InvalidRequest(f"The body is not JSON: {error['msg']}.", code="invalid_json")
        case "conflict":
            return InvalidRequest(f"{error['msg']}.", param=error["ctx"]["param"])
        case "missing":
            message, code = f"Missing required parameter: {param!r}.", "missing_required_parameter"
        case "extra_forbidden":
            message, code = f"Unknown parameter: {param!r}.", "unknown_parameter"
        case "unsupported_parameter":
            message = f"This server does not support the parameter {param!r} with this value."
        case _:
            message = f"Invalid {param or 'body'!r}: {error['msg']}."
            code = "invalid_type" if code.endswith("_type") else "invalid_value"
    return InvalidRequest(message, param=param or None, code=code)


def _path(location: tuple[int | str, ...]) -> str:
    """`("messages", 0, "content")` → `messages[0].content`; a client's own names are cut."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = step[:_MAX_NAME]
            path += f".{name}" if path else name
    return path
