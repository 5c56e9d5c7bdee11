"""What a reconcile does about a model's number of pods: the one place that it asks."""

from collections.abc import Callable
from datetime import datetime

from modelyard_api.v1alpha1 import ModelDeployment, ScalingMode, Spec
from modelyard_operator.cluster import Cluster
from modelyard_operator.errors import ScalerUnavailable
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import ChildRecord, Key
from modelyard_operator.scaling.autoscaler import Autoscaler, Followed
from modelyard_operator.scaling.availability import Availability
from modelyard_operator.scaling.decision import build_rule
from modelyard_operator.scaling.demand import find_age
from modelyard_operator.scaling.handover import is_scaled, plan_claim


class Scalers:
    """Hands replicas over, says what is missing, and has the autoscaler follow who asks for it."""

    def __init__(
        self,
        cluster: Cluster,
        autoscaler: Autoscaler,
        policy: PlatformPolicy,
        *,
        now: Callable[[], float],
        today: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._autoscaler = autoscaler
        self._availability = Availability(cluster, now=now)
        self._limit = policy.limits.max_replicas
        self._today = today

    async def find_gap(self, spec: Spec) -> ScalerUnavailable | None:
        """Return what the mode of a spec relies on and is not there."""
        return await self._availability.find_gap(spec)

    async def hand_over(self, md: ModelDeployment, live: ChildRecord | None) -> None:
        """Make sure that applying the manifest next drops no replicas.

        Raises:
            ClusterError: it may work later; nothing has been given up by then.
        """
        if live is None or not is_scaled(md.spec):
            return
        wanted = await self._find_replicas(Key(live.namespace, live.name))
        if wanted is None:
            return
        claim = plan_claim(md.spec, wanted, is_ours=live.owns_replicas)
        if claim is not None:
            await self._cluster.write_scale(live, claim)

    async def _find_replicas(self, key: Key) -> int | None:
        known = self._cluster.find_child("Deployment", key)
        if known is not None and known.rollout is not None:
            return known.rollout.wanted
        return await self._cluster.read_replicas(key)

    def follow(self, key: Key, md: ModelDeployment) -> None:
        """Have the autoscaler follow a model that is its business, and leave any other."""
        if md.spec.suspend or md.spec.scaling.effective_mode != ScalingMode.BUILTIN:
            self._autoscaler.leave(key)
            return
        rule = build_rule(md.spec.scaling, self._limit)
        self._autoscaler.follow(key, Followed(md.metadata, rule, md.status.demand))

    def leave(self, key: Key) -> None:
        """Leave a model that is gone, or not to be acted upon."""
        self._autoscaler.leave(key)

    def forget_all(self) -> None:
        """Leave all, as if this process had just started."""
        self._autoscaler.forget_all()

    def find_awake_seconds(self, md: ModelDeployment) -> float | None:
        """Return for how long gateways still keep a model from sleeping; None where none does."""
        idle, age = md.spec.scaling.idle_after_seconds, find_age(md.status.demand, self._today())
        return idle - age if idle is not None and age is not None and age < idle else None
