"""What the policy says about a spec: an ordered list of pure checks."""

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from modelyard_api.meta import ENV_PREFIX
from modelyard_api.v1alpha1 import PodTemplate, ScalingMode, Spec
from modelyard_operator.policy import PlatformPolicy, PodsPolicy

Check = Callable[[Spec, PlatformPolicy], str | None]


def find_violations(spec: Spec, policy: PlatformPolicy) -> tuple[str, ...]:
    """Return what the policy forbids, each as a sentence that says what to change."""
    found = (check(spec, policy) for check in _CHECKS)
    return tuple(violation for violation in found if violation is not None)


def find_missing_gateway(spec: Spec, policy: PlatformPolicy) -> str | None:
    """Return what to change where a spec would put a model to sleep that nobody wakes."""
    if not spec.scaling.idle_after or policy.gateway.service_account:
        return None
    return (
        "spec.scaling.idleAfter: a model that sleeps is woken by a gateway, and the platform has "
        "none; leave it out, or ask the platform's administrator for a gateway"
    )


def _check_source(spec: Spec, policy: PlatformPolicy) -> str | None:
    sources = {"uri": spec.model.uri}
    sources |= {f"adapters[{one.name}].uri": one.uri for one in spec.model.adapters}
    forbidden = [
        f"spec.model.{field}: {uri} is not under an allowed source"
        for field, uri in sources.items()
        if not any(_is_under(uri, prefix) for prefix in policy.allowed_sources)
    ]
    if not forbidden:
        return None
    return f"{', and '.join(forbidden)} ({', '.join(policy.allowed_sources) or 'none'})"


def _check_code(spec: Spec, policy: PlatformPolicy) -> str | None:
    if policy.allow_code or not spec.model.allow_code:
        return None
    return (
        "spec.model.allowCode: the platform runs no code that models bring (policy.allowCode of "
        "its chart)"
    )


def _check_replicas(spec: Spec, policy: PlatformPolicy) -> str | None:
    scaling, most = spec.scaling, policy.limits.max_replicas
    if scaling.effective_mode == ScalingMode.NONE:
        field, wanted = "replicas", scaling.replicas
    else:
        field, wanted = "max", max(scaling.max, scaling.min)
    if wanted <= most:
        return None
    return f"spec.scaling.{field}: {wanted} is more than the {most} that the platform allows"


def _check_prometheus(spec: Spec, policy: PlatformPolicy) -> str | None:
    if spec.scaling.effective_mode != ScalingMode.KEDA or policy.prometheus.address:
        return None
    return (
        "spec.scaling.mode: keda reads a model's load from Prometheus, and the platform's policy "
        "names none (policy.prometheus.address of the chart); builtin needs none"
    )


def _check_gpus(spec: Spec, policy: PlatformPolicy) -> str | None:
    wanted, most = spec.resources.gpu.count, policy.limits.max_gpus
    if wanted <= most:
        return None
    return f"spec.resources.gpu.count: {wanted} is more than the {most} that the platform allows"


def _check_profile(spec: Spec, policy: PlatformPolicy) -> str | None:
    gpu = spec.resources.gpu
    if not gpu.count or policy.gpu.find(gpu.profile) is not None:
        return None
    return _say_not_among("resources.gpu.profile", gpu.profile, policy.gpu.profiles)


def _check_image(spec: Spec, policy: PlatformPolicy) -> str | None:
    image, allowed = spec.runtime.image, policy.runtime.allowed_images
    if not image or any(_is_image_of(image, entry) for entry in allowed):
        return None
    return _say_not_among("runtime.image", image, allowed)


def _check_env(spec: Spec, policy: PlatformPolicy) -> str | None:
    prefixes = (ENV_PREFIX, *policy.runtime.denied_env)
    denied = [entry.name for entry in spec.runtime.env if entry.name.startswith(prefixes)]
    if not denied:
        return None
    return f"spec.runtime.env: the platform does not allow {', '.join(denied)}"


def _allow_name(
    field: str, ask: Callable[[PodTemplate], str], allow: Callable[[PodsPolicy], tuple[str, ...]]
) -> Check:
    def check(spec: Spec, policy: PlatformPolicy) -> str | None:
        name, names = ask(spec.pod_template), allow(policy.pods)
        return (
            _say_not_among(f"podTemplate.{field}", name, names)
            if name not in ("", *names)
            else None
        )

    return check


_CHECKS: tuple[Check, ...] = (
    _check_source,
    _check_code,
    _check_replicas,
    _check_prometheus,
    _check_gpus,
    _check_profile,
    _check_image,
    _check_env,
    _allow_name(
        "serviceAccountName", lambda t: t.service_account_name, lambda p: p.service_accounts
    ),
    _allow_name("priorityClassName", lambda t: t.priority_class_name, lambda p: p.priority_classes),
    _allow_name("runtimeClassName", lambda t: t.runtime_class_name, lambda p: p.runtime_classes),
    _allow_name("schedulerName", lambda t: t.scheduler_name, lambda p: p.schedulers),
)


def _say_not_among(field: str, value: str, allowed: Iterable[str]) -> str:
    known = ", ".join(allowed) or "none"
    return f"spec.{field}: {value!r} is not among those that the platform allows ({known})"


def _is_image_of(image: str, allowed: str) -> bool:
    """Match the whole reference, or any tag or digest of a repository that is allowed."""
    rest = image.removeprefix(allowed)
    # A slash after the colon: it was a port, of a registry that is called like the repository.
    return image == allowed or (rest != image and rest[0] in ":@" and "/" not in rest)


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
