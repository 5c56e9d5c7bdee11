"""`GET /docs`, what its page is made of, and `GET /openapi.json`.

The page is Swagger UI, whose files come from the package fastapi-swagger: a cluster need not reach
a CDN.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import metadata, resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request
from starlette.responses import Response

PAGE = "/docs"
DOCUMENT = "/openapi.json"

_PACKAGE = "fastapi_swagger"
#: A day; another version has another address.
_KEPT = "private, max-age=86400"
#: Swagger UI shows icons as data: and pictures of answers as blob: addresses. All else is this
#: server's own; nothing is sent elsewhere, and no page may frame it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_TEMPLATE, _SCRIPT = "page.html", "page.js"
_SCRIPT_TYPE = "text/javascript"
#: The files that the page loads: ours, and Swagger UI's.
_TYPES = {
    _SCRIPT: _SCRIPT_TYPE,
    "swagger-ui-bundle.js": _SCRIPT_TYPE,
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}

#: What a browser loads by itself. It cannot send the headers that clients send keys in.
PATHS = frozenset({PAGE, DOCUMENT, *(f"{PAGE}/{name}" for name in _TYPES)})


def build_router(render: Callable[[], bytes]) -> APIRouter:
    """Return the routes; `render` returns the document as JSON, as it is now."""
    router = APIRouter(include_in_schema=False)
    own, swagger = resources.files(__package__), resources.files(_PACKAGE) / "resources"
    version = f"{metadata.version(_PACKAGE)}-{_digest((own / _SCRIPT).read_bytes())}"
    page = (own / _TEMPLATE).read_text().replace("{version}", version)

    @router.get(PAGE)
    async def show_page() -> Response:
        """Show the API to people."""
        headers = {
            **_GUARDS,
            "content-security-policy": _POLICY,
            "x-frame-options": "DENY",
            "cache-control": "no-cache",
        }
        return Response(page, headers=headers, media_type="text/html")

    @router.get(DOCUMENT)
    async def show_document(request: Request) -> Response:
        """Show the API to programs."""
        document = render()
        # It changes once the model is loaded.
        headers = {**_GUARDS, "cache-control": "no-cache", "etag": f'"{_digest(document)}"'}
        if _is_known(request, headers):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(document, headers=headers, media_type="application/json")

    for name, media_type in _TYPES.items():
        file = (own if name == _SCRIPT else swagger) / name
        _add_asset(router, file, media_type, version)
    return router


def _add_asset(router: APIRouter, file: Traversable, media_type: str, version: str) -> None:
    headers = {**_GUARDS, "cache-control": _KEPT, "etag": f'"{version}"'}

    @router.get(f"{PAGE}/{file.name}")
    async def show_asset(request: Request) -> Response:
        if _is_known(request, headers):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        content = await asyncio.to_thread(file.read_bytes)
        return Response(content, headers=headers, media_type=media_type)


def _is_known(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the browser has it already."""
    return headers["etag"] in request.headers.get("if-none-match", "")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
