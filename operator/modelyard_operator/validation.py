"""What the policy says about a spec: an ordered list of pure checks."""

from collections.abc import Callable
from urllib.parse import urlsplit

from modelyard_api.v1alpha1 import Spec
from modelyard_operator.policy import PlatformPolicy

Check = Callable[[Spec, PlatformPolicy], str | None]


def find_violations(spec: Spec, policy: PlatformPolicy) -> tuple[str, ...]:
    """Return what the policy forbids, each as a sentence that says what to change."""
    found = (check(spec, policy) for check in _CHECKS)
    return tuple(violation for violation in found if violation is not None)


def _check_source(spec: Spec, policy: PlatformPolicy) -> str | None:
    uri = spec.model.uri
    if any(_is_under(uri, prefix) for prefix in policy.allowed_sources):
        return None
    allowed = ", ".join(policy.allowed_sources) or "none"
    return f"spec.model.uri: {uri} is not under an allowed source ({allowed})"


def _check_replicas(spec: Spec, policy: PlatformPolicy) -> str | None:
    wanted, most = spec.scaling.replicas, policy.limits.max_replicas
    if wanted <= most:
        return None
    return f"spec.scaling.replicas: {wanted} is more than the {most} that the platform allows"


def _check_gpus(spec: Spec, policy: PlatformPolicy) -> str | None:
    wanted, most = spec.resources.gpu.count, policy.limits.max_gpus
    if wanted <= most:
        return None
    return f"spec.resources.gpu.count: {wanted} is more than the {most} that the platform allows"


_CHECKS: tuple[Check, ...] = (_check_source, _check_replicas, _check_gpus)


def _is_under(uri: str, prefix: str) -> bool:
    """Match on whole path segments: `oci://r/team` allows `oci://r/team/x`, never `oci://r/teams`.

    After a path also a tag or digest may follow; after a bare host a colon starts a port, which
    is another registry.
    """
    uri_parts, prefix_parts = urlsplit(uri), urlsplit(prefix)
    if uri_parts.scheme != prefix_parts.scheme:
        return False
    if not prefix_parts.netloc:
        return True
    if uri_parts.netloc.lower() != prefix_parts.netloc.lower():
        return False
    if ".." in uri_parts.path.split("/"):
        return False
    path, allowed = uri_parts.path, prefix_parts.path.rstrip("/")
    return (
        not allowed
        or path == allowed
        or path.startswith((f"{allowed}/", f"{allowed}:", f"{allowed}@"))
    )
