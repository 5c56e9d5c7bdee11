"""What an OpenAPI document shows, sent as it is."""

import re
from typing import Any

import httpx

JSON = "application/json"


async def read_document(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200, answer.text
    return answer.json()


def list_operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return address, method and description of each operation."""
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def list_promised(document: dict[str, Any]) -> set[str]:
    """Return the operations that may succeed: loading another model, for one, never does."""
    return {
        f"{method} {path}"
        for path, method, operation in list_operations(document)
        if "200" in operation["responses"]
    }


async def send_examples(client: httpx.AsyncClient, document: dict[str, Any]) -> dict[str, int]:
    """Send each operation as the document shows it; forms have no example, since files do not."""
    statuses = {}
    for path, method, operation in list_operations(document):
        named = {one["name"]: one["example"] for one in operation.get("parameters", ())}
        address = re.sub(r"\{(\w+)\}", lambda found, named=named: named[found[1]], path)
        contents = operation.get("requestBody", {}).get("content", {})
        if contents and JSON not in contents:
            continue
        body = {"json": contents[JSON]["example"]} if contents else {}
        answer = await client.request(method, address, **body)
        statuses[f"{method} {path}"] = answer.status_code
    return statuses
