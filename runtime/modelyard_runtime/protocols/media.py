"""Bodies that are a file, or a form with one: read into the same schema as JSON."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.body import (
    SCHEMA_REFERENCE,
    is_json,
    read_body,
    refuse_query,
    take_body,
)
from modelyard_runtime.protocols.multipart import Part, read_parts
from modelyard_runtime.schema import Body, explain
from modelyard_runtime.tasks.media import Media

FORM = "multipart/form-data"

#: Of a name in a query, in an error.
_MAX_NAME = 64

AnyBody = TypeVar("AnyBody", bound=Body)


async def read_media_body(request: Request, schema: type[AnyBody], media: Media) -> AnyBody:
    """Return the request's body as the schema has it, however the file came.

    A body of one of the media types is the file; the other fields are in the query then. In a form
    the file is the part named as the field.

    Raises:
        HTTPException: 415, it is neither JSON nor a form nor of one of the media types; 403, a web
            page of another origin sent a form.
        InvalidRequest: it is not what the schema says.
    """
    kind = _kind_of(request)
    if is_json(request):
        return await read_body(request, schema)
    if kind == FORM:
        return await read_form(request, schema, media.field)
    if kind not in media.types:
        raise HTTPException(
            415,
            f"Send JSON with Content-Type: application/json, a form ({FORM}), or the file itself "
            f"as one of {', '.join(media.types)}.",
        )
    values: dict[str, Any] = {media.field: await take_body(request)}
    for name, value in request.query_params.multi_items():
        _add(values, name[:_MAX_NAME], value)
    return _validate(schema, values)


async def read_form(request: Request, schema: type[AnyBody], file_field: str) -> AnyBody:
    """Return a multipart form as the schema has it; `file_field` is the one part with a file.

    An empty field that may be left out counts as left out.

    Raises:
        HTTPException: 415, it is no form; 403, a web page of another origin sent it.
        InvalidRequest: it is no valid form, has not one file, or not the schema's fields, or one
            of those is in the address.
    """
    if not is_form(request):
        raise HTTPException(415, f"Send a form, with Content-Type: {FORM}; boundary=….")
    _refuse_strange_page(request)
    refuse_query(request, schema)
    fields = schema.model_fields.items()
    optional = {field.alias or name for name, field in fields if not field.is_required()}
    values: dict[str, Any] = {}
    for part in await read_parts(request.headers["content-type"], request.stream()):
        if part.is_file and part.name != file_field:
            raise InvalidRequest(
                f"The file came in the part {part.name!r}; its part is {file_field!r}.",
                param=file_field,
            )
        if part.name in optional and not part.is_file and not part.data:
            continue  # browsers send what was not filled in, too
        value = bytes(part.data) if part.is_file else _decode(part, file_field)
        _add(values, part.name, value)
    return _validate(schema, values)


def is_form(request: Request) -> bool:
    """Whether the body is declared as a form that may hold files."""
    return _kind_of(request) == FORM


def describe_media(schema: type[Body], media: Media, *, example: Any = None) -> dict[str, Any]:
    """Return the OpenAPI extra of a route that reads its body by read_media_body."""
    described = _reference(schema)
    content: dict[str, Any] = {"application/json": {"schema": described, "example": example}}
    content[FORM] = describe_form(schema, media.field)["requestBody"]["content"][FORM]
    for kind in media.types:
        content[kind] = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": content}}


def describe_form(schema: type[Body], file_field: str) -> dict[str, Any]:
    """Return the OpenAPI extra of a route that reads its body by read_form."""
    properties = schema.model_json_schema(ref_template=SCHEMA_REFERENCE)["properties"]
    properties[file_field] = {"type": "string", "format": "binary"}
    required = [name for name, field in schema.model_fields.items() if field.is_required()]
    form = {"type": "object", "properties": properties, "required": required}
    for name, described in properties.items():
        # Swagger UI sends what it makes up for a field, unless that is nothing.
        if name not in required and described.get("default") is None:
            described["example"] = ""
    return {"requestBody": {"required": True, "content": {FORM: {"schema": form}}}}


def _reference(schema: type[Body]) -> dict[str, str]:
    return {"$ref": SCHEMA_REFERENCE.format(model=schema.__name__)}


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse_strange_page(request: Request) -> None:
    """Keep web pages from a server on localhost: browsers send forms across origins unasked."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "Forms are not taken from web pages of another origin.")


def _decode(part: Part, file_field: str) -> str:
    try:
        return part.data.decode()
    except UnicodeDecodeError as error:
        cure = "; send a file with a filename" if part.name == file_field else ""
        raise InvalidRequest(f"{part.name!r} is not UTF-8{cure}.", param=part.name) from error


def _add(values: dict[str, Any], name: str, value: object) -> None:
    if name in values:
        raise InvalidRequest(f"{name!r} is there twice; send it once.", param=name)
    values[name] = value


def _validate(schema: type[AnyBody], values: Mapping[str, Any]) -> AnyBody:
    try:
        # Not strict: in a form and in a query, numbers are texts.
        return schema.model_validate(values, strict=False)
    except ValidationError as error:
        raise explain(error) from error
