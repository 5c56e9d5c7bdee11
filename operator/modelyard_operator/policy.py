"""The platform's policy: what the administrator allows and provides, from one mounted file."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from modelyard_api.fetch import check_endpoint, check_optional_endpoint, check_region
from modelyard_api.meta import DEFAULT_HUB
from modelyard_api.v1alpha1 import Toleration
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
    """The image that every model pod runs, and what a model may set besides."""

    image: Annotated[str, Field(min_length=1)]
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    allowed_images: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What spec.runtime.image may say: whole references, or repositories (any tag or digest)."""
    denied_env: tuple[Annotated[str, Field(min_length=1)], ...] = (
        *("LD_", "GCONV_PATH", "GLIBC_TUNABLES", "PATH", "HOME", "TMPDIR", "CC", "CXX"),
        *("PYTHON", "TORCHINDUCTOR_", "TORCH_EXTENSIONS_", "TRITON_", "OMP_TOOL", "CUDA_INJECTION"),
        "NCCL_",
    )
    """Prefixes of names that spec.runtime.env may not set: such variables load libraries or run
    programs, and a model folder might hold some."""


ResourceName = Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")]


class GpuProfile(_Part):
    """A kind of GPU: what a pod asks for, where it goes, and what the runtime computes on."""

    resource_name: ResourceName = "nvidia.com/gpu"
    device: Annotated[str, Field(pattern=r"^[a-z]+$")] = "cuda"
    node_selector: dict[str, str] = Field(default={})
    tolerations: tuple[Toleration, ...] = ()


class GpuPolicy(_Part):
    """How this cluster calls its GPUs. A model that names no profile gets the default one."""

    resource_name: ResourceName = "nvidia.com/gpu"
    """Of models without a profile, where there is no default profile."""
    default_profile: str = ""
    profiles: dict[str, GpuProfile] = Field(default={})

    @model_validator(mode="after")
    def _check_default(self) -> "GpuPolicy":
        if self.default_profile and self.default_profile not in self.profiles:
            raise ValueError(f"defaultProfile {self.default_profile!r} is not among the profiles")
        return self

    def find(self, name: str) -> GpuProfile | None:
        """Return the profile that a spec names, or the default; None when there is no such."""
        name = name or self.default_profile
        return self.profiles.get(name) if name else GpuProfile(resource_name=self.resource_name)


class DefaultsPolicy(_Part):
    """What a pod requests when its spec says nothing."""

    cpu: Quantity = "500m"
    memory: Quantity = "1Gi"


class LimitsPolicy(_Part):
    """The most that one object may ask for."""

    max_replicas: Annotated[int, Field(ge=0)] = 100
    max_gpus: Annotated[int, Field(ge=0)] = 8


class PodsPolicy(_Part):
    """Names that spec.podTemplate may use; those of no list are refused."""

    service_accounts: tuple[str, ...] = ()
    priority_classes: tuple[str, ...] = ()
    runtime_classes: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()


class Peer(_Part):
    """A NetworkPolicyPeer as Kubernetes has it."""

    namespace_selector: dict[str, Any] | None = None
    pod_selector: dict[str, Any] | None = None
    ip_block: dict[str, Any] | None = None

    def dump(self) -> dict[str, Any]:
        """Return it as it stands in a NetworkPolicy."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class NetworkPolicyPolicy(_Part):
    """Who may reach the models' pods, besides pods of their own namespace (serving port only)."""

    enabled: bool = True
    clients: tuple[Peer, ...] = ()
    """Of the serving port: gateways, for example."""
    operator: tuple[Peer, ...] = ()
    monitoring: tuple[Peer, ...] = ()
    """Like the operator, of the internal port: reports and metrics."""


class HuggingFacePolicy(_Part):
    """Where hf:// leads."""

    endpoint: Annotated[str, AfterValidator(check_endpoint)] = DEFAULT_HUB


class S3Policy(_Part):
    """Where s3:// leads, unless a Secret names an endpoint or region of its own."""

    endpoint: Annotated[str, AfterValidator(check_optional_endpoint)] = ""
    """Empty: AWS, in the region."""
    region: Annotated[str, AfterValidator(check_region)] = ""
    own_endpoints: bool = True
    """Secrets may lead to other S3 servers than this one."""


class NodesPolicy(_Part):
    """How nodes come about."""

    autoscaled: bool = False
    """Something adds nodes for pods that find none, so that waiting for one is worth it."""


class RolloutPolicy(_Part):
    """Whether models follow the platform when it changes, a new runtime image above all."""

    max_concurrent: Annotated[int, Field(ge=0)] = 0
    """How many models are renewed at a time. 0: each keeps what it has until its spec changes."""


class GatewayPolicy(_Part):
    """Who holds requests while a model sleeps, and wakes it."""

    service_account: Annotated[
        str, Field(pattern=r"^$|^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    ] = ""
    """`NAMESPACE/NAME`; empty: there is no gateway, and no model may sleep."""


class PrometheusPolicy(_Part):
    """Where the models' metrics are."""

    address: Annotated[str, Field(pattern=r"^$|^https?://[^/?#@\s]+(/[^?#\s]*)?$")] = ""
    """Empty: nowhere, and no model may be scaled by KEDA."""


class PlatformPolicy(_Part):
    """The whole policy. Only the runtime's image has no default."""

    runtime: RuntimePolicy
    gpu: GpuPolicy = GpuPolicy()
    defaults: DefaultsPolicy = DefaultsPolicy()
    allowed_sources: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]+://")], ...] = (
        "oci://",
        "hf://",
        "s3://",
    )
    allow_code: bool = False
    """Models may bring code that their pods run (spec.model.allowCode)."""
    hugging_face: HuggingFacePolicy = HuggingFacePolicy()
    s3: S3Policy = S3Policy()
    limits: LimitsPolicy = LimitsPolicy()
    pods: PodsPolicy = PodsPolicy()
    network_policy: NetworkPolicyPolicy = NetworkPolicyPolicy()
    nodes: NodesPolicy = NodesPolicy()
    gateway: GatewayPolicy = GatewayPolicy()
    prometheus: PrometheusPolicy = PrometheusPolicy()
    rollout: RolloutPolicy = RolloutPolicy()


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
