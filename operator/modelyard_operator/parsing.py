"""From an object's body to the types that decisions rest on: pure."""

from typing import Any

from pydantic import ValidationError

from modelyard_api.fetch import DOWNLOAD_SCHEMES, parse_uri
from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Metadata, ModelDeployment, Spec, Status
from modelyard_operator.errors import Refused

Json = dict[str, Any]


def parse_metadata(body: Json) -> Metadata:
    """Read the metadata, which the API server guarantees."""
    return Metadata.model_validate(body["metadata"])


def parse_status(body: Json) -> Status:
    """Read the last status. One that another release or hand has written counts as none."""
    try:
        return Status.model_validate(body.get("status") or {})
    except ValidationError:
        return Status()


def parse_model(body: Json) -> ModelDeployment:
    """Read an object.

    Raises:
        Refused: the spec cannot be read; the message names each field.
    """
    try:
        spec = Spec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        faults = "; ".join(
            f"spec.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise Refused(Reason.INVALID, faults) from error
    _check_uri("uri", spec.model.uri)
    for adapter in spec.model.adapters:
        _check_uri(f"adapters[{adapter.name}].uri", adapter.uri)
    md = ModelDeployment(metadata=parse_metadata(body), spec=spec, status=parse_status(body))
    _check_names(md)
    return md


def _check_uri(field: str, uri: str) -> None:
    """Refuse what the sources' own rules for names refuse and the schema's pattern cannot."""
    if not uri.startswith(DOWNLOAD_SCHEMES):
        return
    try:
        parse_uri(uri)
    except ValueError as error:
        raise Refused(Reason.INVALID, f"spec.model.{field}: {error}") from error


def _check_names(md: ModelDeployment) -> None:
    """Refuse the one name that no rule of the schema sees: the object's own is the default."""
    if any(adapter.name == md.model_name for adapter in md.spec.model.adapters):
        raise Refused(
            Reason.INVALID,
            f"spec.model.adapters[{md.model_name}].name: the model itself is called so, and "
            "clients could not tell them apart; rename the adapter, or set spec.model.name",
        )
