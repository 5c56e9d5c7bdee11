"""The reconciler over a cluster in memory, as one process of the operator runs it."""

from datetime import UTC, datetime

from modelyard_operator.applying import Applier
from modelyard_operator.metrics import Metrics
from modelyard_operator.reconciler import Reconciler
from modelyard_operator.records import Key
from modelyard_operator.renewing import Renewals
from modelyard_operator.scaling.autoscaler import Autoscaler
from modelyard_operator.scaling.scalers import Scalers
from tests.support.fake_cluster import FakeReports, FakeSources
from tests.support.objects import NOW, build_policy, serving

KEY = Key("team", "qwen")


class Operator:
    """One process of the operator over a cluster; a new one knows nothing of the last."""

    def __init__(self, cluster, policy=None, reapply_seconds=3600):
        self.cluster = cluster
        self.reports = FakeReports()
        self.sources = FakeSources()
        self.clock = 1000.0
        self.woken = []
        self.date = NOW
        applier = Applier(
            cluster, now=self.time, random=lambda: 1.0, reapply_seconds=reapply_seconds
        )
        self.reconciler = Reconciler(
            cluster,
            self.reports,
            self.sources,
            applier,
            policy or build_policy(),
            renewals=Renewals(
                (policy or build_policy()).rollout.max_concurrent,
                wake=self.woken.append,
                has_seen_all=lambda: self.reconciler.seen >= len(cluster.models),
            ),
            scalers=self.build_scalers(cluster, policy or build_policy()),
            now=self.time,
            today=lambda: datetime.fromisoformat(self.date).astimezone(UTC),
        )

    def build_scalers(self, cluster, policy):
        """The autoscaler does not run; tests of its own play it."""

        def today():
            return datetime.fromisoformat(self.date).astimezone(UTC)

        self.autoscaler = Autoscaler(
            cluster,
            None,
            Metrics(),
            is_leading=lambda: True,
            now=self.time,
            today=today,
        )
        return Scalers(cluster, self.autoscaler, policy, now=self.time, today=today)

    def time(self):
        return self.clock

    async def reconcile(self, key=KEY):
        """One pass, more than the pace after the last."""
        self.clock += 4
        return await self.reconciler.reconcile(key)


def conditions(cluster, key=KEY):
    return {c["type"]: (c["status"], c["reason"]) for c in status(cluster, key)["conditions"]}


def status(cluster, key=KEY):
    return cluster.models[key]["status"]


async def serve(operator):
    """Bring the model up."""
    await operator.reconcile()
    revision = status(operator.cluster)["revision"]["target"]
    operator.cluster.finish_rollout(KEY)
    operator.cluster.pods[KEY] = [serving(revision=revision)]
    await operator.reconcile()
    return revision
