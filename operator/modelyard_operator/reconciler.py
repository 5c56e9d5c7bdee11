"""The story of one object: read it, judge it, make its children so, and say how it stands."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Metadata, ModelDeployment, Status
from modelyard_operator.applying import Applier
from modelyard_operator.cluster import Cluster
from modelyard_operator.desired import KINDS, build_children
from modelyard_operator.desired.platform import decide_platform
from modelyard_operator.errors import ChildLeftOver, ChildRefused, NamespaceLeaving, Refused
from modelyard_operator.facts import find_unreported
from modelyard_operator.notices import find_notices
from modelyard_operator.observed import Observed
from modelyard_operator.parsing import parse_metadata, parse_model, parse_status
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import Key
from modelyard_operator.reports import Reports
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
        applier: Applier,
        policy: PlatformPolicy,
        *,
        now: Callable[[], float],
        today: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._reports = reports
        self._applier = applier
        self._policy = policy
        self._now = now
        self._today = today
        self._written: dict[Key, float] = {}

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
            live = {kind: await self._applier.find(md.metadata, kind) for kind in KINDS}
        except ChildLeftOver as left_over:
            return await self._wait(key, md, str(left_over))
        children = build_children(md, decide_platform(md, live["Deployment"], self._policy))
        refused, recheck = None, None
        try:
            for manifest in children.manifests:
                await self._applier.apply(manifest, live[manifest.kind], key)
        except ChildRefused as error:
            refused, recheck = error, _REFUSED_SECONDS
        observed = self._observe(key, md.metadata)
        unreported = find_unreported(md, children.revision, observed)
        if unreported is not None:
            self._reports.want(key, unreported)
        status = summarise(md, children.revision, observed, self._stamp(), refused=refused)
        pace = await self._publish(key, md.metadata, md.status, status)
        return _earliest(pace, recheck, self._applier.seconds_until_due(key))

    async def _wait(self, key: Key, md: ModelDeployment, obstacle: str) -> Recheck:
        status = summarise(md, "", Observed(obstacle=obstacle), self._stamp())
        await self._publish(key, md.metadata, md.status, status)
        return _LEFT_OVER_SECONDS

    def _observe(self, key: Key, metadata: Metadata) -> Observed:
        live, pods = self._cluster.find_child("Deployment", key), self._cluster.find_pods(key)
        return Observed(
            deployment=live if live is not None and live.owner_uid == metadata.uid else None,
            pods=pods,
            reports=self._reports.find(pods),
        )

    async def _publish(self, key: Key, metadata: Metadata, last: Status, status: Status) -> Recheck:
        """Write the status if it changed, then tell of it, so that Events never run ahead."""
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

    def _stamp(self) -> str:
        return self._today().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _earliest(*rechecks: Recheck) -> Recheck:
    return min((recheck for recheck in rechecks if recheck is not None), default=None)
