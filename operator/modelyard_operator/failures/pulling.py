"""Why an image cannot be pulled: the model's or the runtime's, and what the registry said. Pure."""

import re
from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.model_source import read_image_reference
from modelyard_operator.failures.cause import Cause, end_sentence
from modelyard_operator.records import PodRecord

_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
#: The kubelet repeats the last error behind this, so that it alternates with the error itself.
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*":?\s*(?:\w+:\s*)?')
#: What every error of the container runtime begins with, and says nothing.
_PREFIXES = re.compile(
    r"^(?:rpc error: code = \w+ desc = |failed to pull (?:and unpack )?image \"[^\"]*\": "
    r"|failed to resolve (?:reference(?: \"[^\"]*\")?|image): |failed to do request: )*"
)
_QUOTED = re.compile(r'image "([^"]+)"')
#: Ports of the node's own side of a connection: another with each try.
_OWN_PORT = re.compile(r"\b((?:\d{1,3}\.){3}\d{1,3}):\d+(?=->)")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A way to fail: how it is told by, in plain words, and whether a login may be the matter."""

    told_by: re.Pattern[str]
    plain: str
    is_about_login: bool
    hint: str


def _kind(told_by: str, plain: str, hint: str, *, is_about_login: bool = False) -> _Kind:
    return _Kind(re.compile(told_by, re.IGNORECASE), plain, is_about_login, hint)


_OTHER = _kind(
    "",
    "the container runtime gives this error",
    "Check {field}, and that the nodes reach the registry and may pull from it.",
    is_about_login=True,
)
#: The more telling first: an error often holds words of several.
_KINDS = (
    _kind(
        "x509|certificate",
        "the registry's certificate is not trusted by the node",
        "Whoever runs the nodes lets their container runtime trust the registry's authority.",
    ),
    _kind(
        "no space left on device",
        "the node's disk is full",
        "Free space on the node, or add one with a larger disk.",
    ),
    _kind(
        "toomanyrequests|429",
        "the registry lets this node ask no more for a while",
        "It is tried again by itself. A login or a mirror of your own raises the limit.",
    ),
    _kind(
        "no match for platform",
        "the image is not built for the node's kind of CPU",
        "Build it for that architecture too, or choose other nodes in "
        "spec.podTemplate.nodeSelector (kubernetes.io/arch).",
    ),
    _kind(
        "no basic auth",
        "the registry wants a login, and the node had none for it",
        "Check {field}, and that there is a login for its registry.",
        is_about_login=True,
    ),
    _kind(
        r"\b401\b|\b403\b|unauthorized|denied|authorization|authentication",
        "the registry wants a login, or refuses this one",
        "Check {field}, and that the login may read it.",
        is_about_login=True,
    ),
    _kind(
        "not found|manifest unknown|name unknown|does not exist",
        "the registry has no such image",
        "Correct {field}, or push the image.",
        is_about_login=True,
    ),
    _kind(
        "invalid reference|couldn't parse|invalidimagename",
        "that is not the name of an image",
        "Correct {field}: HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST.",
    ),
    _kind(
        "connection refused|no such host|timeout|deadline exceeded|unreachable|no route|dial tcp"
        r"|\beof\b|server misbehaving",
        "the node does not reach the registry",
        "Check the host in {field}, and that the nodes reach it (DNS, firewall, proxy).",
    ),
)


def explain_pull(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return why an image of the pod is not there, once the node has tried."""
    if pod.waiting_reason not in _REASONS:
        return None
    said = _BACK_OFF.sub("", pod.waiting_message) or pod.waiting_message
    kind = next((kind for kind in _KINDS if kind.told_by.search(said)), _OTHER)
    reason, field, what = _find_image(md, pod.waiting_message)
    detail = _OWN_PORT.sub(r"\1", _PREFIXES.sub("", said)) or pod.waiting_reason
    hint = kind.hint.format(field=field)
    if kind.is_about_login:
        hint = f"{hint} {_hint_at_secrets(md, pod)}"
    message = f"{what} cannot be pulled: {kind.plain} ({detail.rstrip('.')})"
    return Cause(reason, end_sentence(message), hint)


def _find_image(md: ModelDeployment, message: str) -> tuple[Reason, str, str]:
    """Return the reason, the field that names the image, and what it is of.

    The kubelet reports the image of a volume on the container that mounts it; only the reference in
    the message tells them apart.
    """
    model = md.spec.model
    sources = [("spec.model.uri", "The model's image", model.uri)]
    for adapter in model.adapters:
        field = f"spec.model.adapters[{adapter.name}].uri"
        sources.append((field, f"The image of the adapter {adapter.name!r},", adapter.uri))
    # One image's reference may be the beginning of another's.
    for field, what, uri in sorted(sources, key=lambda source: -len(source[2])):
        reference = read_image_reference(uri)
        if reference in message:
            return Reason.MODEL_IMAGE_PULL_FAILED, field, f"{what} {reference}"
    return Reason.IMAGE_PULL_FAILED, _name_runtime_field(md), _name_runtime(message)


def _name_runtime_field(md: ModelDeployment) -> str:
    if md.spec.runtime.image:
        return "spec.runtime.image"
    return "the chart's value runtime.image (the platform's administrator sets it)"


def _name_runtime(message: str) -> str:
    found = _QUOTED.search(message)
    return f"The runtime's image {found[1]}" if found else "The runtime's image"


def _hint_at_secrets(md: ModelDeployment, pod: PodRecord) -> str:
    """Name the Secrets that were asked for.

    Whether they exist is not ours to know: the operator has no right on Secrets, and the kubelet
    tells of a missing one in an Event of the pod only, then pulls without a login.
    """
    names = " ".join(secret.name for secret in md.spec.pod_template.image_pull_secrets)
    if not names:
        return (
            "If it is private: make a Secret with a login (kubectl -n "
            f"{pod.namespace} create secret docker-registry NAME --docker-server=HOST "
            "--docker-username=… --docker-password=…) and name it in "
            "spec.podTemplate.imagePullSecrets."
        )
    return (
        f"spec.podTemplate.imagePullSecrets names: {names}. A Secret that does not exist is left "
        "out without an error, and the pull has no login; see whether it does: "
        f"kubectl -n {pod.namespace} get secret {names}"
    )
