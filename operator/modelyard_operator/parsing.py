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
    if spec.model.uri.startswith(DOWNLOAD_SCHEMES):
        _check_uri(spec.model.uri)
    return ModelDeployment(metadata=parse_metadata(body), spec=spec, status=parse_status(body))


def _check_uri(uri: str) -> None:
    """Refuse what the sources' own rules for names refuse and the schema's pattern cannot."""
    try:
        parse_uri(uri)
    except ValueError as error:
        raise Refused(Reason.INVALID, f"spec.model.uri: {error}") from error
