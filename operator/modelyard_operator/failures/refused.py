"""Why a node does not run a pod that it was given. Pure."""

import re

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.failures.cause import Cause
from modelyard_operator.records import PodRecord

_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "PreCreateHookError",
    }
)
_DISK = re.compile(
    r"ephemeral[ -]?(?:local )?storage|EmptyDir|DiskPressure|imagefs|nodefs", re.IGNORECASE
)
_MEMORY = re.compile(r"\bmemory\b|MemoryPressure", re.IGNORECASE)


def explain_refused(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return what the node says of a container that it cannot make."""
    if pod.waiting_reason not in _REASONS:
        return None
    return Cause(
        Reason.CONTAINER_REFUSED,
        f"The node cannot make the container ({pod.waiting_reason}): {pod.waiting_message}",
        f"Check {_name_suspects(md)}; the pod's events have more: {_point_at(pod)}",
    )


def explain_eviction(_: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return why a node gave a pod up."""
    if pod.phase != "Failed" or not pod.reason:
        return None
    what = f"The node gave the pod up ({pod.reason}): {pod.message}"
    if pod.reason == "Evicted" and _DISK.search(pod.message):
        hint = (
            "The model, and what it writes, lie on the node's disk: free space there, add a node "
            "with a larger disk, or choose a smaller model."
        )
        return Cause(Reason.NOT_ENOUGH_DISK, what, hint)
    if pod.reason == "Evicted" and _MEMORY.search(pod.message):
        hint = (
            "The node ran short of memory. Set spec.resources.memory to what the model needs, so "
            "that it is kept for it, or add a node."
        )
        return Cause(Reason.CONTAINER_REFUSED, what, hint)
    return Cause(Reason.CONTAINER_REFUSED, what, f"The pod's events say more: {_point_at(pod)}")


def _name_suspects(md: ModelDeployment) -> str:
    asked = md.spec.pod_template
    suspects = ["spec.runtime.image"] if md.spec.runtime.image else ["the platform's runtime image"]
    if asked.runtime_class_name:
        suspects.append(f"the RuntimeClass {asked.runtime_class_name}")
    return " and ".join(suspects)


def _point_at(pod: PodRecord) -> str:
    return f"kubectl -n {pod.namespace} describe pod {pod.name}"
