"""Builds the operator's parts and connects them; nothing in here decides anything."""

from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from secrets import token_hex
from time import monotonic
from typing import Any

from modelyard_api.meta import GROUP
from modelyard_kube.backoff import Backoff
from modelyard_kube.client import KubeClient
from modelyard_kube.events import EventRecorder
from modelyard_kube.lease_election import LeaseElection, SystemClock
from modelyard_kube.reflector import Reflector, WatchSettings
from modelyard_kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SCALED_OBJECTS,
    SERVICES,
)
from modelyard_operator.applying import Applier
from modelyard_operator.audit import Audit
from modelyard_operator.cluster import MODELS, KubeCluster
from modelyard_operator.desired.names import CHILD_SELECTOR
from modelyard_operator.intake import Intake
from modelyard_operator.leadership import Leadership
from modelyard_operator.metrics import Metrics
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.projection import (
    project_autoscaler,
    project_deployment,
    project_disruption_budget,
    project_network_policy,
    project_pod,
    project_scaled_object,
    project_service,
)
from modelyard_operator.reconciler import Reconciler
from modelyard_operator.records import ChildRecord, Key, PodRecord
from modelyard_operator.renewing import Renewals
from modelyard_operator.reports import ReportReader
from modelyard_operator.resolving import Resolver
from modelyard_operator.scaling.autoscaler import Autoscaler
from modelyard_operator.scaling.load import HttpLoadReader
from modelyard_operator.scaling.scalers import Scalers
from modelyard_operator.settings import Settings
from modelyard_operator.workers import Workers
from modelyard_operator.workqueue import WorkQueue

#: Events of children come in bursts, one for each of a controller's steps: they are let settle.
_SETTLE_SECONDS = 0.1
#: A reflector that has neither heard anything, bookmarks included, nor failed for this long is
#: stuck. One that cannot reach the API server is not: a new process could not reach it either.
_DEAF_SECONDS = 300.0
#: A reconcile is cut off long before this; if one is not, the loop is stuck.
_STUCK_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The operator's long-lived parts."""

    queue: WorkQueue[Key]
    workers: Workers
    reconciler: Reconciler
    election: LeaseElection
    leadership: Leadership
    intake: Intake
    reflectors: tuple[Reflector[Any], ...]
    recorder: EventRecorder
    reports: ReportReader
    sources: Resolver
    autoscaler: Autoscaler
    audit: Audit
    metrics: Metrics

    def is_synced(self) -> bool:
        """Every cache has been filled once."""
        return all(reflector.synced.is_set() for reflector in self.reflectors)

    def is_hearing(self) -> bool:
        """No watch has been silent for too long."""
        return all(
            monotonic() - reflector.last_active < _DEAF_SECONDS for reflector in self.reflectors
        )

    def is_moving(self) -> bool:
        """No work in progress is stuck."""
        return self.queue.longest_running_seconds() < _STUCK_SECONDS

    def refresh_gauges(self) -> None:
        """Set what is only counted when somebody looks."""
        self.metrics.depth.set(len(self.queue))
        self.metrics.delayed.set(self.queue.delayed)
        self.metrics.running.set(self.queue.running)
        self.metrics.longest.set(self.queue.longest_running_seconds())
        self.metrics.oldest.set(self.queue.oldest_waiting_seconds())
        self.metrics.leader.set(self.election.may_write())
        self.metrics.objects.set(len(self.intake))
        self.metrics.set_phases(self.reconciler.phases)
        self.metrics.scaled.set(len(self.autoscaler))
        self.metrics.dropped.set(self.recorder.dropped)
        last_heard = {each.resource.plural: each.last_active for each in self.reflectors}
        for resource, moment in {**last_heard, MODELS.plural: self.audit.last_good}.items():
            self.metrics.watch_age.labels(resource).set(monotonic() - moment)


def assemble(
    client: KubeClient, settings: Settings, policy: PlatformPolicy, metrics: Metrics
) -> Parts:
    """Build everything around one client; only the election writes without holding the lease."""
    election = _build_election(client, settings)
    client = client.fenced(election.check)
    queue: WorkQueue[Key] = WorkQueue(
        tenant=_tenant,
        now=monotonic,
        random=random,
        patience_seconds=settings.patience_seconds,
    )
    workers = Workers(queue, metrics, count=settings.workers)
    reports = ReportReader(
        port=settings.report_port,
        timeout_seconds=settings.report_timeout_seconds,
        on_report=workers.add,
        on_retry=workers.add_after,
    )
    sources = Resolver(
        policy.hugging_face.endpoint,
        timeout_seconds=settings.hub_timeout_seconds,
        now=monotonic,
        on_answer=workers.add,
    )
    children = _watch_children(client, workers, settings)
    pods = _watch_pods(client, workers, reports, settings)
    recorder = EventRecorder(client, component=f"{GROUP}/operator", instance=settings.pod_name)
    cluster = KubeCluster(client, children=children, pods=pods, recorder=recorder, metrics=metrics)
    applier = Applier(
        cluster, now=monotonic, random=random, reapply_seconds=settings.reapply_seconds
    )
    autoscaler = _build_autoscaler(cluster, workers, settings, metrics)
    intake = Intake(workers.add)
    reconciler = Reconciler(
        cluster,
        reports,
        sources,
        applier,
        policy,
        renewals=Renewals(
            policy.rollout.max_concurrent,
            wake=workers.add,
            has_seen_all=lambda: reconciler.seen >= intake.staying,
        ),
        scalers=Scalers(cluster, autoscaler, policy, now=monotonic, today=_today),
        now=monotonic,
        today=_today,
    )
    return Parts(
        queue=queue,
        workers=workers,
        reconciler=reconciler,
        election=election,
        leadership=Leadership(
            election,
            workers,
            reconciler,
            recorder,
            find_known=intake.snapshot,
            drain_seconds=settings.drain_seconds,
        ),
        intake=intake,
        reflectors=(*children.values(), pods),
        recorder=recorder,
        reports=reports,
        sources=sources,
        autoscaler=autoscaler,
        audit=Audit(
            client,
            intake,
            metrics,
            backoff=Backoff(random=random),
            every_seconds=settings.audit_seconds,
        ),
        metrics=metrics,
    )


def _build_election(client: KubeClient, settings: Settings) -> LeaseElection:
    return LeaseElection(
        client,
        settings.namespace,
        settings.lease_name,
        # A new process is another candidate, even in the same pod.
        identity=f"{settings.pod_name}_{token_hex(4)}",
        random=random,
        clock=SystemClock(),
    )


def _build_autoscaler(
    cluster: KubeCluster, workers: Workers, settings: Settings, metrics: Metrics
) -> Autoscaler:
    reader = HttpLoadReader(
        port=settings.report_port, timeout_seconds=settings.report_timeout_seconds
    )
    return Autoscaler(
        cluster,
        reader,
        metrics,
        is_leading=lambda: workers.is_working,
        now=monotonic,
        today=_today,
    )


def _watch_children(
    client: KubeClient, workers: Workers, settings: Settings
) -> dict[str, Reflector[ChildRecord]]:
    def on_change(old: ChildRecord | None, new: ChildRecord | None) -> None:
        if record := new or old:
            workers.add_after(_owner(record), _SETTLE_SECONDS)

    return {
        resource.kind: Reflector(
            client,
            resource,
            project=project,
            index=_owner,
            on_change=on_change,
            backoff=Backoff(random=random, max_seconds=settings.patience_seconds),
            # There may be no KEDA, or not yet.
            settings=_build_watch(settings, may_be_missing=resource == SCALED_OBJECTS),
        )
        for resource, project in (
            (DEPLOYMENTS, project_deployment),
            (SERVICES, project_service),
            (NETWORK_POLICIES, project_network_policy),
            (POD_DISRUPTION_BUDGETS, project_disruption_budget),
            (HORIZONTAL_POD_AUTOSCALERS, project_autoscaler),
            (SCALED_OBJECTS, project_scaled_object),
        )
    }


def _build_watch(settings: Settings, *, may_be_missing: bool = False) -> WatchSettings:
    return WatchSettings(
        selector=CHILD_SELECTOR,
        silence_seconds=settings.watch_silence_seconds,
        may_be_missing=may_be_missing,
    )


def _watch_pods(
    client: KubeClient, workers: Workers, reports: ReportReader, settings: Settings
) -> Reflector[PodRecord]:
    """Watch all model pods.

    Only a pod says why it does not start, and it says so within seconds, where a Deployment tells
    at its deadline. Records are small (1 KiB), and asking for pods whenever a Deployment is
    incomplete would mean polling.
    """

    def on_change(old: PodRecord | None, new: PodRecord | None) -> None:
        if old and (new is None or new.uid != old.uid):
            reports.forget(old.uid)
        elif workers.is_working and old and new and new.is_ready and not old.is_ready:
            # Asked at once, it has mostly answered by the time the model counts as ready.
            reports.want(_owner(new), new)
        if record := new or old:
            workers.add_after(_owner(record), _SETTLE_SECONDS)

    return Reflector(
        client,
        PODS,
        project=project_pod,
        index=_owner,
        on_change=on_change,
        backoff=Backoff(random=random, max_seconds=settings.patience_seconds),
        settings=_build_watch(settings),
    )


def _today() -> datetime:
    return datetime.now(UTC)


def _tenant(key: Key) -> str:
    return key.namespace


def _owner(record: ChildRecord | PodRecord) -> Key:
    return Key(record.namespace, record.model)
