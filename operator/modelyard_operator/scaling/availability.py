"""Whether what a scaling mode relies on is there: asked of the API server, and believed a while."""

from collections.abc import Callable
from typing import Protocol

from modelyard_api.v1alpha1 import ScalingMode, Spec
from modelyard_operator.errors import ScalerUnavailable

#: Less than the time after which an object that lacks something is looked at again.
_BELIEVED_SECONDS = 20.0


class Groups(Protocol):
    """Who knows the API's groups."""

    async def has_group(self, group: str) -> bool:
        """Tell whether there is such a group; fails with ClusterError."""


def find_group(spec: Spec) -> str | None:
    """Return the API group that a spec's scaling relies on; None where that is always there."""
    scaling = spec.scaling
    if spec.suspend:
        return None
    match scaling.effective_mode:
        case ScalingMode.KEDA:
            return "keda.sh"
        case ScalingMode.HPA if scaling.target.cpu or scaling.target.memory:
            return "metrics.k8s.io"
        case ScalingMode.HPA:
            return "custom.metrics.k8s.io"
        case _:
            return None


class Availability:
    """Remembers answers for a short while, since many objects ask for the same."""

    def __init__(self, groups: Groups, *, now: Callable[[], float]) -> None:
        self._groups = groups
        self._now = now
        self._known: dict[str, tuple[bool, float]] = {}

    async def find_gap(self, spec: Spec) -> ScalerUnavailable | None:
        """Return what is missing, None where nothing is.

        Raises:
            ClusterError: nobody knows; it may be told later.
        """
        group = find_group(spec)
        if group is None or await self._has(group):
            return None
        mode, (what, hint) = spec.scaling.effective_mode, _GAPS[group]
        return ScalerUnavailable(
            f"spec.scaling.mode is {mode}, and the cluster has no {what} (API group {group}); the "
            "number of pods stays as it is.",
            hint,
        )

    async def _has(self, group: str) -> bool:
        is_there, at = self._known.get(group, (False, float("-inf")))
        if self._now() - at >= _BELIEVED_SECONDS:
            is_there = await self._groups.has_group(group)
            self._known[group] = (is_there, self._now())
        return is_there


_OR_BUILTIN = "or set spec.scaling.mode to builtin, which needs nothing else."
_GAPS = {
    "keda.sh": ("KEDA", f"Have KEDA installed, {_OR_BUILTIN}"),
    "metrics.k8s.io": (
        "metrics API for CPU and memory",
        f"Have metrics-server installed, {_OR_BUILTIN}",
    ),
    "custom.metrics.k8s.io": (
        "metrics API for requests in flight",
        (
            "Have the Prometheus adapter installed with the rule of docs/scaling.md, set "
            f"spec.scaling.target.cpu, {_OR_BUILTIN}"
        ),
    ),
}
