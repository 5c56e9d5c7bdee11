"""Who may hold a Lease: pure decisions over a record and a clock of one's own.

Kubernetes has no fencing tokens. What keeps two processes from writing at once is time alone: a
holder stops `renew_seconds` after the start of its last successful renewal, and the others wait
`hold_seconds` from when they themselves saw the record change. Times of different machines are
never compared; those in the record are for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from modelyard_kube.resources import LEASES

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a lease holds. `renew_seconds` stays far below, for requests still under way."""

    hold_seconds: float = 10.0
    """How long the others wait after they last saw a change."""
    renew_seconds: float = 7.0
    """How long a holder may write after the start of its last successful renewal."""
    retry_seconds: float = 2.0
    """How often it is renewed, and looked at by the others."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as the API server gave it. Equal when its holder has not touched it since."""

    holder: str
    """Empty: nobody's."""
    hold_seconds: float
    """What the holder promises; 0 where it does not say."""
    transitions: int
    renewed: str
    version: str = field(compare=False)
    """Its resourceVersion, which changes also when somebody edits a label."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The last record that was seen, since when it has looked so, and whether it still exists."""

    record: LeaseRecord
    since: float
    is_there: bool = True


class Step(Enum):
    """What to do about the lease now."""

    WAIT = auto()
    """It is another's."""
    CREATE = auto()
    """There is none."""
    TAKE = auto()
    """It is nobody's, or its holder has not renewed it."""
    RENEW = auto()
    """It is one's own."""


def read_record(body: Mapping[str, Any]) -> LeaseRecord:
    """Read a Lease. Every field of a Lease is optional: one without a holder is nobody's."""
    spec = body.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        hold_seconds=float(spec.get("leaseDurationSeconds") or 0),
        transitions=spec.get("leaseTransitions") or 0,
        renewed=spec.get("renewTime") or "",
        version=body["metadata"]["resourceVersion"],
    )


def note_sighting(last: Sighting | None, record: LeaseRecord | None, now: float) -> Sighting | None:
    """Return the sighting after a look at `now`; None when no lease was ever seen.

    A lease that somebody deleted is still its holder's, who may not know yet.
    """
    if record is None:
        return None if last is None else Sighting(last.record, last.since, is_there=False)
    since = last.since if last is not None and last.record == record else now
    return Sighting(record, since)


def seconds_until_free(seen: Sighting, timing: Timing, now: float) -> float:
    """Return how long another's lease still holds, by one's own clock."""
    if not seen.record.holder:
        return 0.0
    hold = max(seen.record.hold_seconds, timing.hold_seconds)
    return max(seen.since + hold - now, 0.0)


def decide_step(seen: Sighting | None, identity: str, timing: Timing, now: float) -> Step:
    """Return what a process of that identity is to do."""
    if seen is None:
        return Step.CREATE
    is_own = seen.record.holder == identity
    if not is_own and seconds_until_free(seen, timing, now) > 0:
        return Step.WAIT
    if not seen.is_there:
        return Step.CREATE
    return Step.RENEW if is_own else Step.TAKE


def build_lease(
    namespace: str, name: str, identity: str, timing: Timing, today: datetime, *, transitions: int
) -> Json:
    """Return a new Lease, held."""
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": _hold(identity, timing, today, transitions),
    }


def build_taking(record: LeaseRecord, identity: str, timing: Timing, today: datetime) -> Json:
    """Return the merge patch that makes the lease one's own."""
    return _patch(record, _hold(identity, timing, today, record.transitions + 1))


def build_renewal(record: LeaseRecord, timing: Timing, today: datetime) -> Json:
    """Return the merge patch that keeps the lease."""
    return _patch(
        record, {"leaseDurationSeconds": int(timing.hold_seconds), "renewTime": _format(today)}
    )


def build_release(record: LeaseRecord, today: datetime) -> Json:
    """Return the merge patch that leaves the lease to whoever looks next."""
    return _patch(record, {"holderIdentity": None, "renewTime": _format(today)})


def _hold(identity: str, timing: Timing, today: datetime, transitions: int) -> Json:
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(timing.hold_seconds),
        "acquireTime": _format(today),
        "renewTime": _format(today),
        "leaseTransitions": transitions,
    }


def _patch(record: LeaseRecord, spec: Json) -> Json:
    # With its version in the patch the API server refuses it if anybody has written meanwhile.
    return {"metadata": {"resourceVersion": record.version}, "spec": spec}


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
