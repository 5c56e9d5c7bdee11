"""The CRD and its Python reading say the same, field by field."""

import types
import typing
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard_api import meta, v1alpha1
from modelyard_api.document import Document

CRDS = Path(__file__).parents[3] / "crds"
CRD = yaml.safe_load((CRDS / "modeldeployment.yaml").read_text())
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]

#: Parts of a pod that Python passes on as they are; only the CRD knows their fields.
PASSED_ON = [SCHEMA["spec"]["properties"]["podTemplate"]["properties"]["affinity"]]
#: What the CRD says of a value that is whatever JSON it is.
ANY_JSON = "x-kubernetes-preserve-unknown-fields"

JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def strip_optional(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next(a for a in typing.get_args(annotation) if a is not types.NoneType)
    return annotation


def describe_model(model: type[Document]) -> dict[str, Any]:
    """Field by camelCase name: required, default, and type (nested models recursively)."""
    return {
        field.alias: describe_field(field, strip_optional(field.annotation))
        for field in model.model_fields.values()
    }


def describe_field(field: Any, annotation: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"required": field.is_required()}
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return described | {"properties": describe_model(annotation)}
    if typing.get_origin(annotation) is tuple:
        (item, _) = typing.get_args(annotation)
        return described | {"type": "array", "properties": describe_model(item)}
    if typing.get_origin(annotation) is dict:
        default = {} if field.is_required() else {"default": field.default}
        return described | {"type": "object"} | default
    if annotation is Any:
        return described | {"type": "any"}
    if issubclass(annotation, StrEnum):
        described |= {"type": "string", "enum": {member.value for member in annotation}}
    else:
        described |= {"type": JSON_TYPES[annotation]}
    if not field.is_required() and field.default is not None:
        described["default"] = field.default
    return described


def describe_schema(schema: dict[str, Any]) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    return {
        name: describe_property(prop) | {"required": name in required}
        for name, prop in schema["properties"].items()
    }


def describe_property(prop: dict[str, Any]) -> dict[str, Any]:
    if prop.get("type") == "object":
        if "additionalProperties" in prop or ANY_JSON in prop or prop in PASSED_ON:
            return {name: prop[name] for name in ("type", "default") if name in prop}
        return {"properties": describe_schema(prop)}
    if prop.get("type") == "array":
        return {"type": "array", "properties": describe_schema(prop["items"])}
    if ANY_JSON in prop:
        return {"type": "any"}
    described = {"type": "string" if prop.get("x-kubernetes-int-or-string") else prop["type"]}
    if "enum" in prop:
        described["enum"] = set(prop["enum"])
    if "default" in prop:
        described["default"] = prop["default"]
    return described


def without_defaults(described: dict[str, Any]) -> dict[str, Any]:
    """Status carries no defaults in the CRD: the operator writes what it knows."""
    return {
        name: {
            key: without_defaults(value) if key == "properties" else value
            for key, value in field.items()
            if key not in ("default", "required")
        }
        for name, field in described.items()
    }


def test_every_field_of_spec_has_the_same_type_default_and_requirement():
    assert describe_model(v1alpha1.Spec) == describe_schema(SCHEMA["spec"])


def test_every_field_of_status_has_the_same_type():
    ours = without_defaults(describe_model(v1alpha1.Status))
    assert ours == without_defaults(describe_schema(SCHEMA["status"]))


def test_names_in_the_crd_are_the_constants():
    names = CRD["spec"]["names"]
    assert (CRD["spec"]["group"], VERSION["name"], names["kind"], names["plural"]) == (
        meta.GROUP,
        meta.VERSION,
        meta.KIND,
        meta.PLURAL,
    )
    assert CRD["metadata"]["name"] == meta.RESOURCE


def test_every_object_in_spec_has_a_default_so_that_nested_defaults_fire():
    spec = SCHEMA["spec"]["properties"]
    missing = [n for n, p in spec.items() if p["type"] == "object" and "default" not in p]
    assert missing == ["model"]


def test_the_crd_stays_below_64_kilobytes():
    assert (CRDS / "modeldeployment.yaml").stat().st_size < 64 * 1024


@pytest.mark.parametrize("path", sorted((CRDS / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_valid_example_is_read(path):
    body = yaml.safe_load(path.read_text())
    body["metadata"] |= {"namespace": "default", "uid": "1"}
    uri = v1alpha1.ModelDeployment.model_validate(body).spec.model.uri
    assert uri.startswith(("oci://", "hf://", "s3://"))


def test_an_integer_quantity_is_read_as_text():
    resources = v1alpha1.Resources.model_validate({"cpu": 2, "memory": "4Gi"})
    assert (resources.cpu, resources.memory) == ("2", "4Gi")


def test_a_field_of_a_newer_version_is_ignored():
    spec = v1alpha1.Spec.model_validate({"model": {"uri": "oci://r/m"}, "fromTheFuture": {"a": 1}})
    assert spec == v1alpha1.Spec(model=v1alpha1.Model(uri="oci://r/m"))
