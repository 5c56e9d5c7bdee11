"""JSON bodies: read and checked in one step."""

import asyncio
import re
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.schema import Body, explain

JSON = "application/json"
SCHEMA_REFERENCE = "#/components/schemas/{model}"

_JSON = re.compile(r"application/([\w.+-]+\+)?json\s*(;|$)", re.IGNORECASE)

#: A file in base64 takes tenths of a second to read, in which nobody else would be served.
MAX_AT_ONCE = 256 * 1024

AnyBody = TypeVar("AnyBody", bound=Body)


async def read_body(request: Request, schema: type[AnyBody]) -> AnyBody:
    """Return the request's body as the schema has it.

    Raises:
        HTTPException: 415, it is not declared as JSON. A browser may send other types across
            origins without asking, so this also keeps web pages from a server on localhost.
        InvalidRequest: it is not JSON, or not what the schema says, or a field is in the address.
    """
    if not is_json(request):
        raise HTTPException(415, "Send JSON with the header Content-Type: application/json.")
    refuse_query(request, schema)
    body = await take_body(request)
    try:
        if len(body) > MAX_AT_ONCE:
            return await asyncio.to_thread(schema.model_validate_json, body)
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise explain(error) from error


async def take_body(request: Request) -> bytes:
    """Return the body; unlike `request.body` it keeps none, since a file is large."""
    return b"".join([piece async for piece in request.stream()])


def refuse_query(request: Request, schema: type[Body]) -> None:
    """Refuse fields of the body in the address, where they would be ignored.

    What else is there says nothing that is known here: gateways and SDKs add to addresses.

    Raises:
        InvalidRequest: there is one.
    """
    for name, field in schema.model_fields.items():
        known = field.alias or name
        if known in request.query_params:
            raise InvalidRequest(
                f"{known!r} is in the address, which is not looked at for a body of this type: put "
                "it into the body.",
                param=known,
            )


def is_json(request: Request) -> bool:
    """Whether the body is declared as JSON."""
    return _JSON.match(request.headers.get("content-type", "")) is not None


def describe_body(
    *schemas: type[Body], example: Any = None, is_required: bool = True
) -> dict[str, Any]:
    """Return the OpenAPI extra of a route that reads its body, of one of the schemas, itself."""
    references = [{"$ref": SCHEMA_REFERENCE.format(model=schema.__name__)} for schema in schemas]
    content: dict[str, Any] = {
        "schema": references[0] if len(references) == 1 else {"anyOf": references}
    }
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": is_required, "content": {JSON: content}}}
