"""JSON bodies: read and checked in one step, refused by the name of the field at fault."""

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request

from modelyard_runtime.errors import InvalidRequest

SCHEMA_REFERENCE = "#/components/schemas/{model}"

#: Of an unknown field, in an error: it can be as long as the body.
_MAX_NAME = 64

_JSON = re.compile(r"application/([\w.+-]+\+)?json\s*(;|$)", re.IGNORECASE)


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


AnyBody = TypeVar("AnyBody", bound=Body)


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


async def read_body(request: Request, schema: type[AnyBody]) -> AnyBody:
    """Return the request's body as the schema has it.

    Raises:
        HTTPException: 415, it is not declared as JSON. A browser may send other types across
            origins without asking, so this also keeps web pages from a server on localhost.
        InvalidRequest: it is not JSON, or not what the schema says.
    """
    if not _JSON.match(request.headers.get("content-type", "")):
        raise HTTPException(415, "Send JSON with the header Content-Type: application/json.")
    body = await request.body()
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False, include_input=False)[0]) from error


def describe_body(schema: type[Body]) -> dict[str, Any]:
    """Return the OpenAPI extra of a route that reads its body with `read_body`."""
    reference = {"$ref": SCHEMA_REFERENCE.format(model=schema.__name__)}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}
    }


def unsupported() -> PydanticCustomError:
    """Return the error of a field that has no effect here; its name is added later."""
    return PydanticCustomError("unsupported_parameter", "not supported")


def conflict(param: str, message: str) -> PydanticCustomError:
    """Return the error of fields that contradict each other; `param` is the one to change."""
    return PydanticCustomError("conflict", "{message}", {"param": param, "message": message})


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
