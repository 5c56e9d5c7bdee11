"""Events become keys, once for each change; what the watch loses, the audit finds."""

import pytest

from modelyard_operator.intake import Intake, Stamp, read_stamp
from modelyard_operator.records import Key
from modelyard_operator.workqueue import Priority

KEY, OTHER = Key("a", "x"), Key("a", "y")
HIGH, NORMAL = Priority.HIGH, Priority.NORMAL


@pytest.fixture
def added():
    return []


@pytest.fixture
def intake(added):
    return Intake(lambda key, priority: added.append((key, priority)))


def stamp(generation=1, uid="u", **more):
    return Stamp(uid, generation, is_leaving=more.get("leaving", False))


def test_our_own_status_write_is_no_change(intake, added):
    for _ in range(3):
        intake.take(KEY, stamp(), HIGH)
    assert added == [(KEY, HIGH)]


@pytest.mark.parametrize(
    "changed", [stamp(2), stamp(uid="new"), stamp(leaving=True)], ids=["spec", "uid", "deletion"]
)
def test_what_matters_is_a_change(intake, added, changed):
    intake.take(KEY, stamp(), HIGH)
    intake.take(KEY, changed, HIGH)
    assert len(added) == 2


def test_a_deletion_is_told_and_forgotten(intake, added):
    intake.take(KEY, stamp(), HIGH)
    intake.take_gone(KEY)
    assert (added[-1], len(intake)) == ((KEY, HIGH), 0)


def test_the_audit_finds_an_object_that_the_watch_did_not_tell_of(intake, added):
    assert intake.compare(frozenset(), {KEY: stamp()})
    assert (added, intake.owed) == ([(KEY, NORMAL)], 1)


def test_the_audit_finds_a_change_that_the_watch_did_not_tell_of(intake, added):
    intake.take(KEY, stamp(1), HIGH)
    intake.compare(intake.snapshot(), {KEY: stamp(2)})
    assert added[-1] == (KEY, NORMAL)


def test_the_audit_finds_a_deletion_that_the_watch_lost(intake, added):
    intake.take(KEY, stamp(), HIGH)
    assert intake.compare(intake.snapshot(), {})
    assert (added[-1], len(intake)) == ((KEY, NORMAL), 0)


def test_an_object_made_while_the_list_was_read_is_not_taken_for_deleted(intake, added):
    before = intake.snapshot()
    intake.take(KEY, stamp(), HIGH)
    intake.compare(before, {})
    assert (added, len(intake)) == ([(KEY, HIGH)], 1)


def test_a_list_older_than_the_last_event_is_no_news(intake, added):
    intake.take(KEY, stamp(2), HIGH)
    intake.compare(intake.snapshot(), {KEY: stamp(1)})
    assert added == [(KEY, HIGH)]


def test_an_event_that_comes_after_the_audit_proves_the_watch_alive(intake, added):
    intake.compare(frozenset(), {KEY: stamp()})
    intake.take(KEY, stamp(), HIGH)
    assert intake.compare(intake.snapshot(), {KEY: stamp()})
    assert added == [(KEY, NORMAL)]


def test_an_event_that_never_comes_proves_the_watch_dead(intake):
    intake.compare(frozenset(), {KEY: stamp()})
    assert not intake.compare(intake.snapshot(), {KEY: stamp()})


def test_an_object_deleted_again_proves_nothing(intake):
    intake.compare(frozenset(), {KEY: stamp()})
    assert intake.compare(intake.snapshot(), {OTHER: stamp()})


def test_a_stamp_is_read_from_metadata():
    metadata = {"uid": "u", "generation": 3, "deletionTimestamp": "2026-11-22T10:00:00Z"}
    assert read_stamp(metadata) == Stamp("u", 3, is_leaving=True)


def test_what_gateways_hold_wakes_each_time_it_is_said(intake, added):
    metadata = {"uid": "u", "generation": 1}
    first = {"g": {"waiting": 1, "at": "2026-11-22T10:00:00Z"}}
    for held in (None, first, first, {"g": {"waiting": 1, "at": "2026-11-22T10:00:09Z"}}):
        intake.take(KEY, read_stamp(metadata, held), HIGH)
    assert added == [(KEY, HIGH)] * 3


def test_the_audit_knows_nothing_of_what_gateways_hold(intake, added):
    metadata = {"uid": "u", "generation": 1}
    intake.take(KEY, read_stamp(metadata, {"g": {"waiting": 1}}), HIGH)
    assert intake.compare(intake.snapshot(), {KEY: read_stamp(metadata)})
    assert intake.compare(intake.snapshot(), {KEY: read_stamp(metadata)})
    assert (added, intake.owed) == ([(KEY, HIGH)], 0)
