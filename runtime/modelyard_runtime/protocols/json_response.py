"""JSON answers, written by orjson."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with plain data, TypedDicts and numpy vectors (float32 in its shortest form)."""
    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )
