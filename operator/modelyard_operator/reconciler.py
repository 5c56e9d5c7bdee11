"""The story of one object: read it, judge it, make its children so, and say how it stands."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Metadata, ModelDeployment, Status
from modelyard_operator.applying import Applier
from modelyard_operator.cluster import Cluster
from modelyard_operator.desired import KINDS, build_children, find_kinds
from modelyard_operator.desired.rendering import (
    Rendering,
    find_commit,
    find_source,
    recall_rendering,
    render,
)
from modelyard_operator.errors import (
    ChildLeftOver,
    NamespaceLeaving,
    Obstructed,
    Refused,
    Unresolved,
)
from modelyard_operator.facts import find_unreported
from modelyard_operator.notices import find_notices
from modelyard_operator.observed import Observed
from modelyard_operator.parsing import parse_metadata, parse_model, parse_status
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import ChildRecord, Key
from modelyard_operator.reports import Reports
from modelyard_operator.resolving import Sources
from modelyard_operator.status import is_urgent, summarise, summarise_refused
from modelyard_operator.validation import find_violations

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
        now: Callable[[], float],
        today: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._reports = reports
        self._sources = sources
        self._applier = applier
        self._policy = policy
        self._kinds = find_kinds(policy)
        self._now = now
        self._today = today
        self._written: dict[Key, float] = {}
        self._phases: dict[Key, str] = {}

    @property
    def phases(self) -> Iterable[str]:
        """The phase of each model that was looked at."""
        return self._phases.values()

    def forget_all(self) -> None:
        """Forget everything, as if this process had just started: others may have written since."""
        self._applier.forget_all()
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
        return md

    async def _pursue(self, key: Key, md: ModelDeployment) -> Recheck:
        try:
            live = await self._find_children(md.metadata)
        except ChildLeftOver as left_over:
            return await self._wait(key, md, Observed(obstacle=str(left_over)), _LEFT_OVER_SECONDS)
        target: Rendering | None = None
        obstructed: Obstructed | None = None
        recheck: Recheck = None
        try:
            target = self._choose(md, live["Deployment"])
            if target is None:
                return await self._wait_for_commit(key, md)
            await self._make(key, md, target, live)
        except Unresolved as error:
            obstructed, recheck = error, self._ask_hub(key, md)
        except Obstructed as error:
            obstructed, recheck = error, _REFUSED_SECONDS
        status = self._summarise(key, md, target, obstructed)
        pace = await self._publish(key, md.metadata, md.status, status)
        return _earliest(pace, recheck, self._applier.seconds_until_due(key))

    async def _find_children(self, owner: Metadata) -> dict[str, ChildRecord | None]:
        """Look for all at once: of a new object each is a request."""
        looks = (self._applier.find(owner, kind) for kind in self._kinds)
        found = await asyncio.gather(*looks, return_exceptions=True)
        children: dict[str, ChildRecord | None] = {}
        for kind, child in zip(self._kinds, found, strict=True):
            if isinstance(child, BaseException):
                raise child
            children[kind] = child
        return children

    def _choose(self, md: ModelDeployment, live: ChildRecord | None) -> Rendering | None:
        """Return what to serve, None while its commit is being asked for."""
        kept = recall_rendering(md, live)
        if kept is not None:
            return kept
        source, commit = find_source(md), find_commit(md, live)
        if source is not None and not commit:
            answer = self._sources.find(source)
            if isinstance(answer, Unresolved):
                raise answer
            if answer is None:
                return None
            commit = answer
        return render(md, self._policy, commit)

    async def _make(
        self,
        key: Key,
        md: ModelDeployment,
        target: Rendering,
        live: Mapping[str, ChildRecord | None],
    ) -> None:
        for manifest in build_children(md, target, self._policy):
            await self._applier.apply(manifest, live[manifest.kind], key)
        for kind in KINDS:
            if kind not in self._kinds:
                await self._applier.prune(md.metadata, kind)

    def _summarise(
        self, key: Key, md: ModelDeployment, target: Rendering | None, obstructed: Obstructed | None
    ) -> Status:
        observed = self._observe(key, md.metadata)
        if target is not None:
            unreported = find_unreported(md, target.revision, observed)
            if unreported is not None:
                self._reports.want(key, unreported)
        return summarise(md, target, observed, self._stamp(), obstructed=obstructed)

    async def _wait_for_commit(self, key: Key, md: ModelDeployment) -> Recheck:
        recheck = self._ask_hub(key, md)
        obstacle = f"Asking the hub which commit {md.spec.model.revision or 'main'} is."
        observed = replace(self._observe(key, md.metadata), obstacle=obstacle)
        return await self._wait(key, md, observed, recheck)

    def _ask_hub(self, key: Key, md: ModelDeployment) -> Recheck:
        source = find_source(md)
        return self._sources.want(key, source) if source is not None else None

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
        self._written.pop(key, None)
        self._phases.pop(key, None)

    def _stamp(self) -> str:
        return self._today().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _earliest(*rechecks: Recheck) -> Recheck:
    return min((recheck for recheck in rechecks if recheck is not None), default=None)
