"""The story of one object: read it, judge it, make its children so, and say how it stands."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from modelyard_api.durations import format_time
from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Metadata, ModelDeployment, Status
from modelyard_operator.applying import Applier
from modelyard_operator.cluster import Cluster
from modelyard_operator.desired import KINDS, build_children, find_kinds
from modelyard_operator.desired.autoscaling import find_scaler_kind
from modelyard_operator.desired.ledger import Ledger, read_ledger, recall, turn_to
from modelyard_operator.desired.rendering import Rendering, render
from modelyard_operator.errors import (
    ChildLeftOver,
    NamespaceLeaving,
    Obstructed,
    Refused,
    Unresolved,
)
from modelyard_operator.facts import Facts, find_unreported
from modelyard_operator.notices import find_notices
from modelyard_operator.observed import Observed
from modelyard_operator.parsing import parse_metadata, parse_model, parse_status
from modelyard_operator.pinning import ask, name_questions, pin
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import ChildRecord, Key
from modelyard_operator.renewing import Renewals, find_age
from modelyard_operator.reports import Reports
from modelyard_operator.resolving import Sources
from modelyard_operator.scaling.scalers import Scalers
from modelyard_operator.standing import Standing
from modelyard_operator.status import (
    assess,
    build_status,
    is_urgent,
    summarise,
    summarise_refused,
)
from modelyard_operator.updating import advance, find_next_look, find_surge_seconds
from modelyard_operator.validation import find_missing_gateway, find_violations

logger = logging.getLogger(__name__)

#: How soon an object is looked at again that waits for something which tells us nothing.
_LEFT_OVER_SECONDS = 5.0
_REFUSED_SECONDS = 30.0
#: Changes of a status that only word or count differently are written no more often than this.
_PACE_SECONDS = 3.0

Recheck = float | None


class Reconciler:
    """Brings one object after another to where its spec wants it. Running twice changes nothing."""

    def __init__(
        self,
        cluster: Cluster,
        reports: Reports,
        sources: Sources,
        applier: Applier,
        policy: PlatformPolicy,
        *,
        renewals: Renewals,
        scalers: Scalers,
        now: Callable[[], float],
        today: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._reports = reports
        self._sources = sources
        self._applier = applier
        self._policy = policy
        self._renewals = renewals
        self._scalers = scalers
        self._now = now
        self._today = today
        self._written: dict[Key, float] = {}
        self._phases: dict[Key, str] = {}

    @property
    def seen(self) -> int:
        """How many models were looked at."""
        return len(self._phases)

    @property
    def phases(self) -> Iterable[str]:
        """The phase of each model that was looked at."""
        return self._phases.values()

    def forget_all(self) -> None:
        """Forget everything, as if this process had just started: others may have written since."""
        self._applier.forget_all()
        self._renewals.forget_all()
        self._scalers.forget_all()
        self._written.clear()
        self._phases.clear()

    async def reconcile(self, key: Key) -> Recheck:
        """Do what is to be done; returns the seconds after which to look again, if any."""
        body = await self._cluster.get_model(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            # Owner references collect the children; there is nothing that only we could clean up.
            self._forget(key)
            return None
        try:
            md = self._judge(body)
            return await self._pursue(key, md)
        except NamespaceLeaving:
            return None
        except Refused as refused:
            self._scalers.leave(key)
            self._renewals.forget(key)
            metadata, last = parse_metadata(body), parse_status(body)
            observed = self._observe(key, metadata)
            status = summarise_refused(metadata, last, refused, observed, self._stamp())
            pace = await self._publish(key, metadata, last, status)
            return _earliest(pace, refused.recheck_seconds)

    def _judge(self, body: dict[str, Any]) -> ModelDeployment:
        md = parse_model(body)
        violations = find_violations(md.spec, self._policy)
        if violations:
            raise Refused(Reason.POLICY_FORBIDS, "; ".join(violations))
        no_gateway = find_missing_gateway(md.spec, self._policy)
        if no_gateway is not None:
            raise Refused(Reason.GATEWAY_REQUIRED, no_gateway)
        return md

    async def _pursue(self, key: Key, md: ModelDeployment) -> Recheck:
        try:
            live = await self._applier.find(md.metadata, find_kinds(md, self._policy))
        except ChildLeftOver as left_over:
            return await self._wait(key, md, Observed(obstacle=str(left_over)), _LEFT_OVER_SECONDS)
        before, deployment = read_ledger(live["Deployment"]), live["Deployment"]
        if deployment is not None and not deployment.owns_replicas:
            # Whatever stands in the way of a change, what is there is scaled.
            self._scalers.follow(key, md)
        ledger: Ledger | None = None
        obstructed: Obstructed | None = None
        recheck: Recheck = None
        try:
            target = self._choose(key, md, before)
            if target is None:
                return await self._wait_for_commit(key, md, _last(before))
            ledger = self._advance(key, md, turn_to(md, target, before), before)
            await self._make(key, md, ledger, live)
        except Unresolved as error:
            obstructed, recheck = error, ask(key, md, _last(before), self._sources)
        except Obstructed as error:
            obstructed, recheck = error, _REFUSED_SECONDS
        standing, facts = self._assess(key, md, ledger, obstructed)
        status = build_status(standing, facts, self._stamp())
        pace = await self._publish(key, md.metadata, md.status, status)
        return _earliest(
            pace,
            recheck,
            self._find_next_look(standing),
            self._scalers.find_awake_seconds(md),
            self._applier.seconds_until_due(key),
        )

    def _choose(self, key: Key, md: ModelDeployment, before: Ledger | None) -> Rendering | None:
        """Return what to serve, None while its commit is being asked for."""
        kept = recall(md, before)
        if kept is not None:
            return self._renew(key, md, before) or kept
        commits = pin(md, _last(before), self._sources)
        return render(md, self._policy, commits) if commits is not None else None

    def _renew(self, key: Key, md: ModelDeployment, before: Ledger | None) -> Rendering | None:
        """Return what the platform would render today, if it is this model's turn to get it."""
        if before is None or not self._renewals.are_wanted:
            return None
        today = render(md, self._policy, before.rendering.commits)
        live = self._observe(key, md.metadata).rollout.wanted
        return today if self._renewals.ask(key, find_age(md, before, today, live=live)) else None

    def _advance(
        self, key: Key, md: ModelDeployment, ledger: Ledger, before: Ledger | None
    ) -> Ledger:
        """Judge the applied revision by its pods; one that starts only now has none yet."""
        if before is None or ledger.revision != before.revision:
            return ledger
        standing, _ = assess(md, ledger, self._observe(key, md.metadata), self._stamp())
        surge_seconds = find_surge_seconds(md, self._policy)
        return advance(md, ledger, standing, surge_seconds=surge_seconds, now=self._today())

    def _find_next_look(self, standing: Standing) -> Recheck:
        md, ledger = standing.md, standing.ledger
        if ledger is None:
            return None
        surge_seconds = find_surge_seconds(md, self._policy)
        return find_next_look(md, ledger, standing, surge_seconds=surge_seconds, now=self._today())

    async def _make(
        self,
        key: Key,
        md: ModelDeployment,
        ledger: Ledger,
        live: Mapping[str, ChildRecord | None],
    ) -> None:
        """Apply what is wanted. What scales no more goes first, so that never two of them do."""
        for kind in KINDS:
            if kind not in live:
                await self._applier.prune(md.metadata, kind)
        gap = await self._scalers.find_gap(md.spec)
        await self._scalers.hand_over(md, live["Deployment"])
        is_awake = self._scalers.find_awake_seconds(md) is not None
        for manifest in build_children(md, ledger, self._policy, is_awake=is_awake):
            if gap is None or manifest.kind != find_scaler_kind(md):
                await self._applier.apply(manifest, live[manifest.kind], key)
        self._scalers.follow(key, md)
        if gap is not None:
            raise gap

    def _assess(
        self, key: Key, md: ModelDeployment, ledger: Ledger | None, obstructed: Obstructed | None
    ) -> tuple[Standing, Facts]:
        """See how things stand after the writes, and ask for the report that is missing."""
        observed = self._observe(key, md.metadata)
        if ledger is not None:
            unreported = find_unreported(md, ledger.revision, observed)
            if unreported is not None:
                self._reports.want(key, unreported)
        return assess(md, ledger, observed, self._stamp(), obstructed=obstructed)

    async def _wait_for_commit(
        self, key: Key, md: ModelDeployment, last: Rendering | None
    ) -> Recheck:
        self._renewals.forget(key)
        recheck = ask(key, md, last, self._sources)
        obstacle = f"Asking the hub which commit {name_questions(md, last)} is."
        observed = replace(self._observe(key, md.metadata), obstacle=obstacle)
        return await self._wait(key, md, observed, recheck)

    async def _wait(
        self, key: Key, md: ModelDeployment, observed: Observed, recheck: Recheck
    ) -> Recheck:
        status = summarise(md, None, observed, self._stamp())
        return _earliest(await self._publish(key, md.metadata, md.status, status), recheck)

    def _observe(self, key: Key, metadata: Metadata) -> Observed:
        live, pods = self._cluster.find_child("Deployment", key), self._cluster.find_pods(key)
        return Observed(
            deployment=live if live is not None and live.owner_uid == metadata.uid else None,
            pods=pods,
            reports=self._reports.find(pods),
        )

    async def _publish(self, key: Key, metadata: Metadata, last: Status, status: Status) -> Recheck:
        """Write the status if it changed, then tell of it, so that Events never run ahead."""
        self._phases[key] = status.phase
        self._renewals.wake_next()
        if status == last:
            return None
        wait = self._written.get(key, float("-inf")) + _PACE_SECONDS - self._now()
        if wait > 0 and not is_urgent(last, status):
            return wait
        await self._cluster.write_status(metadata, status)
        self._written[key] = self._now()
        if status.phase != last.phase:
            logger.info("%s, was %s", status.phase, last.phase or "new")
        for notice in find_notices(last, status):
            self._cluster.emit(metadata, notice)
        return None

    def _forget(self, key: Key) -> None:
        self._applier.forget(key)
        self._renewals.forget(key)
        self._scalers.leave(key)
        self._written.pop(key, None)
        self._phases.pop(key, None)

    def _stamp(self) -> str:
        return format_time(self._today())


def _last(before: Ledger | None) -> Rendering | None:
    return before.rendering if before is not None else None


def _earliest(*rechecks: Recheck) -> Recheck:
    return min((recheck for recheck in rechecks if recheck is not None), default=None)
