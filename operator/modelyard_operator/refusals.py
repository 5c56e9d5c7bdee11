"""What the API server says when it refuses a child or its pods, as a person would say it. Pure.

The server's own words stay where nothing here knows them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_SUBJECT = re.compile(r'^(?:\w+ \S+: )?(?P<kind>[a-z.]+) "[^"]*" is forbidden: ')
_WHAT = {
    "pods": "a pod of this model",
    "deployments.apps": "this model's Deployment",
    "services": "this model's Service",
    "networkpolicies.networking.k8s.io": "this model's NetworkPolicy",
    "poddisruptionbudgets.policy": "this model's PodDisruptionBudget",
}
#: Kinds of children as they stand at the beginning of what is said of one.
_KINDS = frozenset({"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget"})
#: What a quota counts → the field that asks for it.
_FIELDS = (
    (re.compile(r"memory$"), "spec.resources.memory"),
    (re.compile(r"cpu$"), "spec.resources.cpu"),
    (re.compile(r"^requests\..+/"), "spec.resources.gpu.count"),
    (re.compile(r"^(count/)?pods$"), "spec.scaling.replicas"),
)
_NO_LIMIT_HINT = (
    "Modelyard sets no CPU limit, and a memory limit only from spec.resources.memory: set that, or "
    "let a LimitRange of the namespace give what is missing by default."
)
_UNKNOWN_HINT = (
    "The API server refuses what this model needs. Change the object as the message says, or ask "
    "whoever set the namespace's quota or admission policy."
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused and why, and what to do."""

    message: str
    hint: str


_Tell = Callable[[re.Match[str], str], Refusal]


def read_refusal(said: str) -> Refusal:
    """Return the refusal in plain words."""
    subject = _SUBJECT.match(said)
    what = _WHAT.get(subject["kind"], subject["kind"]) if subject else _find_kind(said)
    for pattern, tell in _KNOWN:
        found = pattern.search(said)
        if found:
            return tell(found, what)
    return Refusal(said, _UNKNOWN_HINT)


def _find_kind(said: str) -> str:
    kind = said.split(" ", 1)[0]
    return f"this model's {kind}" if kind in _KINDS else "it"


def _tell_quota(found: re.Match[str], what: str) -> Refusal:
    asked, used, limited = (_read_pairs(found[part]) for part in ("asked", "used", "limited"))
    told = "; ".join(
        f"{name}: asked {size}, used {used.get(name, '?')}, limited to {limited.get(name, '?')}"
        for name, size in asked.items()
    )
    fields = [field for pattern, field in _FIELDS if any(map(pattern.search, asked))]
    lower = f"Lower {' or '.join(fields)}, free" if fields else "Free"
    return Refusal(
        f"The namespace's quota {found['name']} has no room for {what} ({told}).",
        f"{lower} some of it in this namespace, or ask whoever set the quota for more: "
        f"kubectl describe quota {found['name']} (in this namespace).",
    )


def _read_pairs(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name.strip(): size for name, _, size in pairs}


def _tell_missing_limits(found: re.Match[str], what: str) -> Refusal:
    return Refusal(
        f"The namespace's quota {found[1]} refuses {what}: every container must set "
        f"{found[2].strip()}.",
        _NO_LIMIT_HINT,
    )


def _tell_limit_range(found: re.Match[str], what: str) -> Refusal:
    bound = "at most" if found["bound"] == "maximum" else "at least"
    return Refusal(
        f"A LimitRange of the namespace refuses {what}: {bound} {found['size']} of "
        f"{found['resource']} per {found['per'].lower()} is allowed, and it has {found['actual']}.",
        f"Change spec.resources.{found['resource']}, or ask whoever set the limits: "
        "kubectl describe limitrange (in this namespace).",
    )


def _tell_policy(found: re.Match[str], what: str) -> Refusal:
    return Refusal(
        f"The cluster's admission policy {found[1]} refuses {what}: {found[2]}",
        "Change the object as the policy says, or ask whoever set it: "
        f"kubectl describe validatingadmissionpolicy {found[1]}",
    )


def _tell_webhook(found: re.Match[str], what: str) -> Refusal:
    return Refusal(
        f"The cluster's admission webhook {found[1]} refuses {what}: {found[2]}",
        "Change the object as the webhook says, or ask whoever runs it.",
    )


def _tell_silent_webhook(found: re.Match[str], what: str) -> Refusal:
    return Refusal(
        f"The cluster's admission webhook {found[1]} must agree to {what}, and gives no usable "
        f"answer: {found[2]}",
        "Whoever runs that webhook must mend it; it is tried again by itself.",
    )


def _tell_pod_security(found: re.Match[str], what: str) -> Refusal:
    return Refusal(
        f"The namespace's Pod Security level ({found[1]}) refuses {what}: {found[2]}",
        "A model's pods by themselves meet even `restricted`: look at what the cluster adds to "
        "them, and at spec.podTemplate.",
    )


def _tell_account(found: re.Match[str], _: str) -> Refusal:
    return Refusal(
        f"The ServiceAccount {found[1]} does not exist in this namespace.",
        "Make it (kubectl create serviceaccount), or correct spec.podTemplate.serviceAccountName.",
    )


def _tell_class(kind: str, field: str) -> _Tell:
    def tell(found: re.Match[str], _: str) -> Refusal:
        return Refusal(
            f"The {kind} {found[1]} does not exist in this cluster.",
            f"Correct {field} (kubectl get {kind.lower()}), or have the administrator make it.",
        )

    return tell


_KNOWN: tuple[tuple[re.Pattern[str], _Tell], ...] = (
    (
        re.compile(
            r"exceeded quota: (?P<name>[^,\s]+), requested: (?P<asked>.+?), used: (?P<used>.+?), "
            r"limited: (?P<limited>\S+)"
        ),
        _tell_quota,
    ),
    (re.compile(r"failed quota: ([^:\s]+): must specify (.+)"), _tell_missing_limits),
    (
        re.compile(
            r"(?P<bound>maximum|minimum) (?P<resource>\S+) usage per (?P<per>\w+) is "
            r"(?P<size>[\w.]*\w), but (?:limit|request) is (?P<actual>[\w.]*\w)"
        ),
        _tell_limit_range,
    ),
    (
        re.compile(
            r"ValidatingAdmissionPolicy '([^']+)'(?: with binding '[^']+')? denied request: (.+)",
            re.DOTALL,
        ),
        _tell_policy,
    ),
    (re.compile(r'admission webhook "([^"]+)" denied the request: (.+)', re.DOTALL), _tell_webhook),
    (re.compile(r'failed calling webhook "([^"]+)": (.+)', re.DOTALL), _tell_silent_webhook),
    (re.compile(r'violates PodSecurity "([^"]+)": (.+)', re.DOTALL), _tell_pod_security),
    (re.compile(r"error looking up service account [^/\s]+/([^:\s]+)"), _tell_account),
    (
        re.compile(r"no PriorityClass with name (\S+) was found"),
        _tell_class("PriorityClass", "spec.podTemplate.priorityClassName"),
    ),
    (
        re.compile(r'RuntimeClass "([^"]+)" not found'),
        _tell_class("RuntimeClass", "spec.podTemplate.runtimeClassName or the GPU profile"),
    ),
)
