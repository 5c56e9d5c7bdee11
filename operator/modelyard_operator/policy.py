"""The platform's policy: what the administrator allows and provides, from one mounted file."""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from modelyard_operator.errors import SettingsInvalid

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")


def _check_quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError(f"{text!r} is not a quantity; write for example 500m, 2 or 1Gi")
    return text


Quantity = Annotated[str, AfterValidator(_check_quantity)]


class _Part(BaseModel):
    # A mistyped key must not silently leave a rule out: unknown keys are refused.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class RuntimePolicy(_Part):
    """The image that every model pod runs."""

    image: Annotated[str, Field(min_length=1)]
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"


class GpuPolicy(_Part):
    """How this cluster calls its GPUs."""

    resource_name: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] = (
        "nvidia.com/gpu"
    )


class DefaultsPolicy(_Part):
    """What a pod requests when its spec says nothing."""

    cpu: Quantity = "500m"
    memory: Quantity = "1Gi"


class LimitsPolicy(_Part):
    """The most that one object may ask for."""

    max_replicas: Annotated[int, Field(ge=0)] = 100
    max_gpus: Annotated[int, Field(ge=0)] = 8


class PlatformPolicy(_Part):
    """The whole policy. Only the runtime's image has no default."""

    runtime: RuntimePolicy
    gpu: GpuPolicy = GpuPolicy()
    defaults: DefaultsPolicy = DefaultsPolicy()
    allowed_sources: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]+://")], ...] = ("oci://",)
    limits: LimitsPolicy = LimitsPolicy()


def parse_policy(text: str, origin: str) -> PlatformPolicy:
    """Read a policy from YAML.

    Raises:
        SettingsInvalid: not YAML, or not a policy; the message names each bad key.
    """
    try:
        return PlatformPolicy.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise SettingsInvalid(f"policy {origin} is not YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'policy'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingsInvalid(f"policy {origin}: {faults}") from error


def load_policy(path: Path) -> PlatformPolicy:
    """Read the policy's file.

    Raises:
        SettingsInvalid: as `parse_policy`, or there is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsInvalid(f"policy {path} cannot be read: {error.strerror}") from error
    return parse_policy(text, str(path))
