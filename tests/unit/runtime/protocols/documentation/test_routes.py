"""The page of the API, and what it loads: all of it from this server."""

import re

import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.protocols.documentation.routes import PATHS
from tests.support.fake_engine import FakeBatchEngine
from tests.support.runtime_server import build_client

TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "png": "image/png",
}


async def read_page(client):
    page = await client.get("/docs")
    assert page.status_code == 200
    return page


async def test_the_page_is_there_before_the_model():
    async with build_client() as client:
        assert (await client.get("/readyz")).status_code == 503
        page = await read_page(client)
        assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_every_file_that_it_names_is_served_and_kept_by_the_browser():
    async with build_client(FakeBatchEngine(Task.EMBEDDINGS)) as client:
        named = re.findall(r'(?:src|href)="([^"]+)"', (await read_page(client)).text)
        assert len(named) == 5
        for address in named:
            # Relative, so that a proxy may add a prefix.
            assert not address.startswith("/")
            found = await client.get(f"/{address}")
            assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff")
            assert len(found.content) > 100
            tag = {"if-none-match": found.headers["etag"]}
            again = await client.get(f"/{address}", headers=tag)
            assert (again.status_code, again.content) == (304, b"")
            if address == "openapi.json":
                continue
            kind = address.partition("?")[0].rpartition(".")[2]
            assert found.headers["content-type"] == TYPES[kind]
            assert found.headers["cache-control"] == "private, max-age=86400"
            assert re.search(r"\?v=[\w.-]+$", address)
        served = {f"/{address.partition('?')[0]}" for address in named}
    assert served | {"/docs"} == PATHS


async def test_it_may_load_from_here_only_and_runs_no_script_of_its_own():
    async with build_client(FakeBatchEngine(Task.EMBEDDINGS)) as client:
        page = await read_page(client)
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-cache"
    assert re.findall(r"<script(?![^>]* src=)|<style| on\w+=|//", page.text.lower()) == []


@pytest.mark.parametrize(
    "path", ["/docs/", "/docs/nothing.js", "/docs/page.html", "/docs/..%2froutes.py", "/redoc"]
)
async def test_nothing_else_is_served(path):
    async with build_client(FakeBatchEngine(Task.EMBEDDINGS)) as client:
        assert (await client.get(path)).status_code == 404
