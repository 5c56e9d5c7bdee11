"""Who may hold a Lease: decisions by sentence, each over a record and a clock of one's own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from modelyard_kube.lease import (
    LeaseRecord,
    Sighting,
    Step,
    Timing,
    build_lease,
    build_release,
    build_renewal,
    build_taking,
    decide_step,
    note_sighting,
    read_record,
    seconds_until_free,
)

TIMING = Timing(hold_seconds=10, renew_seconds=7, retry_seconds=2)
TODAY = datetime(2026, 11, 22, 8, 0, 0, 250_000, tzinfo=UTC)
SEEN_AT = 100.0


def record(holder="b", hold_seconds=10.0, transitions=3, renewed="t1", version="7"):
    return LeaseRecord(holder, hold_seconds, transitions, renewed, version)


@pytest.mark.parametrize(
    ("seen", "now", "step"),
    [
        (None, 100, Step.CREATE),
        (Sighting(record(holder=""), SEEN_AT), 100, Step.TAKE),
        (Sighting(record(), SEEN_AT), 100, Step.WAIT),
        (Sighting(record(), SEEN_AT), 109.9, Step.WAIT),
        (Sighting(record(), SEEN_AT), 110, Step.TAKE),
        (Sighting(record(hold_seconds=15), SEEN_AT), 110, Step.WAIT),
        (Sighting(record(hold_seconds=15), SEEN_AT), 115, Step.TAKE),
        (Sighting(record(hold_seconds=1), SEEN_AT), 105, Step.WAIT),
        (Sighting(record(hold_seconds=0), SEEN_AT), 109, Step.WAIT),
        (Sighting(record(hold_seconds=0), SEEN_AT), 110, Step.TAKE),
        (Sighting(record(holder="a"), SEEN_AT), 101, Step.RENEW),
        (Sighting(record(holder="a"), SEEN_AT), 999, Step.RENEW),
        (Sighting(record(), SEEN_AT, is_there=False), 105, Step.WAIT),
        (Sighting(record(), SEEN_AT, is_there=False), 110, Step.CREATE),
        (Sighting(record(holder=""), SEEN_AT, is_there=False), 100, Step.CREATE),
        (Sighting(record(holder="a"), SEEN_AT, is_there=False), 101, Step.CREATE),
    ],
    ids=[
        "there is none: it is made",
        "nobody's, as after a release: it is taken at once",
        "another's, seen just now: one waits",
        "another's, seen to change a little less than its time ago: one waits",
        "another's, not seen to change for its time: it is taken",
        "its holder promises longer than we would: that counts",
        "and so long only",
        "its holder promises less than we would, which it may not know of: ours counts",
        "its holder does not say how long: ours counts",
        "and when that is over it is taken",
        "one's own: it is renewed",
        "one's own and long run out, and nobody took it: it is renewed",
        "deleted while another held it: one waits, since that one may not know",
        "deleted, and its holder's time is over: it is made again",
        "deleted after a release: it is made again",
        "one's own was deleted: it is made again at once",
    ],
)
def test_what_to_do_about_the_lease(seen, now, step):
    assert decide_step(seen, "a", TIMING, now) is step


@pytest.mark.parametrize(
    ("looks", "sighting"),
    [
        ([(None, 1)], None),
        ([(record(), 1)], Sighting(record(), 1)),
        ([(record(), 1), (record(), 5)], Sighting(record(), 1)),
        ([(record(), 1), (record(version="8"), 5)], Sighting(record(version="8"), 1)),
        ([(record(), 1), (record(renewed="t2"), 5)], Sighting(record(renewed="t2"), 5)),
        ([(record(), 1), (record(holder="c"), 5)], Sighting(record(holder="c"), 5)),
        ([(record(), 1), (None, 5)], Sighting(record(), 1, is_there=False)),
        ([(record(), 1), (None, 5), (record(), 9)], Sighting(record(), 1)),
    ],
    ids=[
        "a lease that was never there",
        "one seen for the first time counts from then, whatever time it tells itself",
        "one that has not changed counts from when it was first seen so",
        "somebody edited a label: that is no renewal",
        "one that was renewed counts from when that was seen",
        "another holder",
        "one that was deleted goes on counting",
        "one that came back unchanged, as from a backup, goes on counting",
    ],
)
def test_a_lease_counts_from_when_its_change_was_seen(looks, sighting):
    seen = None
    for found, now in looks:
        seen = note_sighting(seen, found, now)
    assert seen == sighting
    assert sighting is None or seen.record.version == sighting.record.version


@pytest.mark.parametrize("skew", [timedelta(hours=-3), timedelta(hours=3)], ids=["behind", "ahead"])
def test_the_holders_clock_may_be_anything(skew):
    body = build_lease("ns", "l", "b", TIMING, TODAY + skew, transitions=0)
    body["metadata"]["resourceVersion"] = "1"
    seen = note_sighting(None, read_record(body), SEEN_AT)
    assert [decide_step(seen, "a", TIMING, SEEN_AT + past) for past in (9, 10)] == [
        Step.WAIT,
        Step.TAKE,
    ]


@pytest.mark.parametrize(
    ("seen", "now", "seconds"),
    [
        (Sighting(record(), SEEN_AT), 104, 6.0),
        (Sighting(record(), SEEN_AT), 200, 0.0),
        (Sighting(record(holder=""), SEEN_AT), 100, 0.0),
    ],
    ids=["some of its time is left", "its time is over", "nobody's"],
)
def test_how_long_another_still_holds(seen, now, seconds):
    assert seconds_until_free(seen, TIMING, now) == seconds


def test_a_lease_is_read():
    body = {
        "metadata": {"name": "l", "resourceVersion": "42"},
        "spec": {
            "holderIdentity": "b",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-11-22T07:00:00.000000Z",
            "renewTime": "2026-11-22T08:00:00.000000Z",
            "leaseTransitions": 4,
        },
    }
    read = read_record(body)
    assert read == LeaseRecord("b", 15.0, 4, "2026-11-22T08:00:00.000000Z", "42")
    assert read.version == "42"


@pytest.mark.parametrize("spec", [{}, {"spec": None}, {"spec": {"holderIdentity": None}}])
def test_a_lease_without_a_holder_is_nobodys(spec):
    read = read_record({"metadata": {"resourceVersion": "1"}, **spec})
    assert read == LeaseRecord("", 0.0, 0, "", "1")


def test_a_new_lease():
    zone = timezone(timedelta(hours=2))
    assert build_lease("ns", "l", "a", TIMING, TODAY.astimezone(zone), transitions=5) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": "ns", "name": "l"},
        "spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 10,
            "acquireTime": "2026-11-22T08:00:00.250000Z",
            "renewTime": "2026-11-22T08:00:00.250000Z",
            "leaseTransitions": 5,
        },
    }


def test_every_change_names_the_version_it_was_decided_on_and_only_its_own_fields():
    last = replace(record(), version="42")
    stamp = "2026-11-22T08:00:00.250000Z"
    version = {"metadata": {"resourceVersion": "42"}}
    assert build_taking(last, "a", TIMING, TODAY) == {
        **version,
        "spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 10,
            "acquireTime": stamp,
            "renewTime": stamp,
            "leaseTransitions": 4,
        },
    }
    assert build_renewal(last, TIMING, TODAY) == {
        **version,
        "spec": {"leaseDurationSeconds": 10, "renewTime": stamp},
    }
    assert build_release(last, TODAY) == {
        **version,
        "spec": {"holderIdentity": None, "renewTime": stamp},
    }
