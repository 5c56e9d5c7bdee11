"""Who writes a Deployment's replicas, and what is written when that changes: pure.

The applied manifest carries them where nothing scales; where something does, it leaves them out.
A field that its only owner no longer applies falls back to its default, one pod. So before the
first apply without it another field manager claims the value that is live.
"""

from modelyard_api.v1alpha1 import ScalingMode, Spec


def is_scaled(spec: Spec) -> bool:
    """Tell whether something else than the spec says how many pods there are to be."""
    return not spec.suspend and spec.scaling.effective_mode != ScalingMode.NONE


def find_wanted(spec: Spec, live: int | None) -> int:
    """Return how many pods a model is to have now; `live` is what its Deployment wants, if any."""
    if not is_scaled(spec):
        return spec.wanted_replicas
    return spec.scaling.min if live is None else live


def plan_claim(spec: Spec, live: int, *, is_ours: bool) -> int | None:
    """Return what the second manager is to apply before the manifest, None for nothing.

    `live` is what the Deployment wants now; `is_ours` says whether it is the manifest that has said
    so until now.
    """
    if not is_scaled(spec):
        return None
    # It was suspended, or asleep; of the modes only builtin and keda wake a model by themselves.
    is_stuck = live == 0 and (is_ours or spec.scaling.effective_mode == ScalingMode.HPA)
    if is_stuck:
        return spec.scaling.min
    return live if is_ours else None
