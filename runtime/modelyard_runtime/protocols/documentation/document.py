"""What is added to an OpenAPI document so that its requests can be sent as they are shown."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from modelyard_runtime.protocols.body import JSON
from modelyard_runtime.protocols.media import FORM

Json = dict[str, Any]

_SCHEME = "bearer"
#: What routes call the model in their addresses, and the version of it.
_MODEL_PARAMETERS = frozenset({"model_name", "name"})
_VERSION_PARAMETER = "model_version"
_VERSION = "1"
_MODEL_FIELD = "model"


def require_key(document: Json, *, open_paths: Collection[str]) -> None:
    """Say that requests need an API key, but for these paths."""
    document["components"]["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of this model.",
        }
    }
    document["security"] = [{_SCHEME: []}]
    for path in open_paths & document["paths"].keys():
        for operation in document["paths"][path].values():
            operation["security"] = []


def name_model(paths: Json, name: str) -> None:
    """Fill in the model's name where an address or a form asks for it."""
    for operation in _list_operations(paths):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in _MODEL_PARAMETERS:
                parameter["example"] = name
            elif parameter["name"] == _VERSION_PARAMETER:
                parameter["example"] = _VERSION
        form = _contents_of(operation).get(FORM)
        if form is not None and _MODEL_FIELD in form["schema"]["properties"]:
            form["schema"]["properties"][_MODEL_FIELD]["example"] = name


def put_examples(paths: Json, examples: Mapping[str, Any]) -> None:
    """Show these bodies, by path; drop the paths whose example is None, since all is refused."""
    for path, example in examples.items():
        if example is None:
            del paths[path]
            continue
        for operation in paths[path].values():
            content = _contents_of(operation)[JSON]
            content.pop("example", None)
            if example:
                content["example"] = example


def _list_operations(paths: Json) -> Iterator[Json]:
    for operations in paths.values():
        yield from operations.values()


def _contents_of(operation: Json) -> Json:
    contents: Json = operation.get("requestBody", {}).get("content", {})
    return contents
