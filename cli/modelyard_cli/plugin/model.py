"""A ModelDeployment as the screens read it: pure, and patient with what is out of order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from modelyard_api.meta import Condition
from modelyard_api.v1alpha1 import ScalingMode, Spec, Status, StatusCondition
from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.text import clean, read_time

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """The object. `spec` is None where it cannot be read; the operator says so in the status."""

    name: str
    namespace: str
    uid: str
    generation: int
    changed: datetime | None
    is_leaving: bool
    uri: str
    spec: Spec | None
    status: Status

    def find(self, kind: Condition) -> StatusCondition | None:
        """Return a condition, None where it does not speak of the newest spec."""
        return next(
            (
                known
                for known in self.status.conditions
                if known.type == kind and known.observed_generation >= self.generation
            ),
            None,
        )

    @property
    def wanted(self) -> int:
        """How many pods there are to be, as far as the object tells."""
        if self.spec is None or self.spec.suspend:
            return 0
        if self.spec.scaling.effective_mode is ScalingMode.NONE:
            return self.spec.scaling.replicas
        return self.status.replicas

    @property
    def task(self) -> str:
        """What the model does, as found by the runtime, or as the spec says; may be empty."""
        declared = self.spec.model.task.value if self.spec is not None else ""
        return clean(self.status.task) or ("" if declared == "auto" else declared)


def parse_model(body: Json) -> Model:
    """Read an object as the API server returns it.

    Raises:
        CommandFailed: its status is not one that this version knows.
    """
    metadata = body["metadata"]
    try:
        status = Status.model_validate(body.get("status") or {})
    except ValidationError as error:
        raise CommandFailed(
            f"the status of {metadata['name']} cannot be read ({error.errors()[0]['msg']})",
            cure="Install the plugin of the operator's version.",
        ) from error
    spec = body.get("spec") or {}
    return Model(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        changed=_find_change(metadata),
        is_leaving="deletionTimestamp" in metadata,
        uri=clean(str((spec.get("model") or {}).get("uri", ""))),
        spec=_parse_spec(spec),
        status=status,
    )


def _parse_spec(spec: Json) -> Spec | None:
    try:
        return Spec.model_validate(spec)
    except ValidationError:
        return None


def _find_change(metadata: Mapping[str, Any]) -> datetime | None:
    """Return when the spec was written last: the API server notes who wrote it, and when."""
    written = [
        entry.get("time", "")
        for entry in metadata.get("managedFields") or ()
        if "f:spec" in (entry.get("fieldsV1") or {})
    ]
    return read_time(max([*written, metadata.get("creationTimestamp") or ""]))
