"""Applying children: only ours, and only when something differs."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Metadata
from modelyard_kube.errors import ClusterError
from modelyard_operator.cluster import Cluster
from modelyard_operator.desired import KINDS, Manifest
from modelyard_operator.errors import ChildLeftOver, ChildRefused, NamespaceLeaving, Refused
from modelyard_operator.records import ChildRecord, Key

_CONFLICT = 409
_NOT_FOUND = 404
#: How soon a name that is taken is looked at again: nobody tells us when a stranger's object goes.
_TAKEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Applied:
    """How a child looked right after our last apply, and when it is applied again regardless."""

    hash: str
    uid: str
    generation: int
    touched: str
    due: float


class Applier:
    """Applies what differs.

    Unchanged means: the annotation has the hash of what we would apply, and nobody has edited
    the object since we applied it. What happened before this process started cannot be known
    exactly; then it must do that no one else owns a field. The regular apply finds the rest; one
    that changes nothing is no write and wakes nobody.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        now: Callable[[], float],
        random: Callable[[], float],
        reapply_seconds: float,
    ) -> None:
        self._cluster = cluster
        self._now = now
        self._random = random
        self._reapply_seconds = reapply_seconds
        self._applied: dict[tuple[str, Key], _Applied] = {}

    async def find(self, owner: Metadata, kinds: Iterable[str]) -> dict[str, ChildRecord | None]:
        """Return the live child of each kind, None where there is none yet.

        What the cache lacks is asked for, since somebody may have taken our labels off it: all at
        once, because of a new object each is a request.

        Raises:
            Refused: the object of that name is not ours.
            ChildLeftOver: it is of a deleted object of the same name.
            ClusterError: it may work later.
        """
        wanted = tuple(kinds)
        looks = (self._find(owner, kind) for kind in wanted)
        found = await asyncio.gather(*looks, return_exceptions=True)
        children: dict[str, ChildRecord | None] = {}
        for kind, child in zip(wanted, found, strict=True):
            if isinstance(child, BaseException):
                raise child
            children[kind] = child
        return children

    async def apply(self, manifest: Manifest, live: ChildRecord | None, key: Key) -> None:
        """Make one child as it should be; `live` is what `find` has found.

        Raises:
            ChildRefused: the API server refuses it.
            NamespaceLeaving: nothing can be created there any more.
            ClusterError: it may work later.
        """
        # Only what the watch sees can be left alone: our labels are part of what we apply.
        known = self._cluster.find_child(manifest.kind, key)
        if known is not None and self._is_settled(known, manifest, key):
            return
        record = await self._write(manifest, live, key)
        self._remember(manifest, record, key)

    async def prune(self, owner: Metadata, kind: str) -> None:
        """Delete a child of a kind that is no longer wanted, if it is ours.

        Raises:
            ClusterError: it may work later.
        """
        key = Key(owner.namespace, owner.name)
        live = self._cluster.find_child(kind, key)
        if live is not None and live.owner_uid == owner.uid:
            await self._cluster.delete_child(live)
        self._applied.pop((kind, key), None)

    def seconds_until_due(self, key: Key) -> float | None:
        """Return how long until a child is applied again whatever it looks like."""
        dues = [self._applied[kind, key].due for kind in KINDS if (kind, key) in self._applied]
        return max(min(dues) - self._now(), 0.0) if dues else None

    def forget(self, key: Key) -> None:
        """Forget the children of an object that is gone."""
        for kind in KINDS:
            self._applied.pop((kind, key), None)

    def forget_all(self) -> None:
        """Forget all children, as if this process had just started."""
        self._applied.clear()

    async def _find(self, owner: Metadata, kind: str) -> ChildRecord | None:
        key = Key(owner.namespace, owner.name)
        live = self._cluster.find_child(kind, key) or await self._cluster.read_child(kind, key)
        if live is not None:
            _check_ownership(owner, live)
        return live

    def _is_settled(self, live: ChildRecord, manifest: Manifest, key: Key) -> bool:
        scales = "replicas" in manifest.body["spec"]
        if live.applied_hash != manifest.hash or live.owns_replicas != scales:
            return False
        last = self._applied.get((manifest.kind, key))
        if last is None or last.uid != live.uid:
            if live.is_foreign:
                return False
            self._remember(manifest, live, key)
            return True
        # Where others scale a Deployment, its generation counts their writes too.
        is_scaled = manifest.kind == "Deployment" and not scales
        is_same = (last.hash, last.touched) == (manifest.hash, live.touched) and (
            is_scaled or last.generation == live.generation
        )
        return is_same and self._now() < last.due

    async def _write(self, manifest: Manifest, live: ChildRecord | None, key: Key) -> ChildRecord:
        # An object that is ours is taken back by force, and only that very object. A new one is
        # applied without force: should a stranger's have appeared just now, it conflicts.
        body = manifest.body
        if live is not None:
            body = {**body, "metadata": {**body["metadata"], "uid": live.uid}}
        try:
            return await self._cluster.apply_child(manifest.kind, body, force=live is not None)
        except ClusterError as error:
            if error.status == _CONFLICT:
                self._cluster.drop_child(manifest.kind, key)
            if error.status == _NOT_FOUND or "NamespaceTerminating" in error.causes:
                raise NamespaceLeaving(str(error)) from error
            # By its status a webhook that does not answer is a passing error; it may last for days.
            if error.retriable and "webhook" not in error.message:
                raise
            raise ChildRefused(f"{manifest.kind} {key.name}: {error.message}") from error

    def _remember(self, manifest: Manifest, record: ChildRecord, key: Key) -> None:
        # Spread over half the period, so that objects of one start do not stay in step.
        due = self._now() + self._reapply_seconds * (0.5 + 0.5 * self._random())
        self._applied[manifest.kind, key] = _Applied(
            manifest.hash, record.uid, record.generation, record.touched, due
        )


def _check_ownership(owner: Metadata, live: ChildRecord) -> None:
    if live.owner_uid == owner.uid:
        return
    if live.owner_name == owner.name:
        raise ChildLeftOver(
            f"Waiting for {live.kind} {live.name} of the deleted ModelDeployment of this name to "
            "be collected."
        )
    raise Refused(
        Reason.NAME_TAKEN,
        f"{live.kind} {live.name} exists in namespace {live.namespace} and is not ours. Rename "
        "the ModelDeployment, or delete that object.",
        recheck_seconds=_TAKEN_SECONDS,
    )
