"""What the benchmarks of updates and scaling say of what they saw."""

import pytest

from bench import scaling, updates
from bench.scaling import Moment
from bench.traffic import Outcome, Record


def moments(*points):
    return [Moment(at, wanted, ready) for at, wanted, ready in points]


CALM = moments((0, 1, 1), (10.5, 5, 1), (30, 5, 5), (60, 2, 5), (61, 1, 2))


def test_the_time_to_a_decision_counts_from_the_step():
    assert scaling.find_reaction(CALM, 10, 50) == 0.5
    assert scaling.find_reaction(CALM, 50, 70) == 10


def test_no_decision_is_told_as_such():
    assert scaling.find_reaction(CALM, 20, 50) == -1


def test_all_are_ready_when_the_most_are():
    assert scaling.find_ready(CALM, 10, 50) == 20


@pytest.mark.parametrize(
    ("wanted", "turns"),
    [
        pytest.param([1, 1, 1], 0, id="nothing happens"),
        pytest.param([1, 3, 5], 0, id="only up"),
        pytest.param([1, 5, 2, 1], 1, id="up, then down"),
        pytest.param([1, 5, 1, 5, 1], 3, id="to and fro"),
    ],
)
def test_turns_are_changes_of_direction(wanted, turns):
    seen = moments(*((float(n), count, 1) for n, count in enumerate(wanted)))
    assert scaling.count_turns(seen) == turns


def test_changes_of_readiness_alone_are_none():
    assert scaling.count_changes(CALM) == 3


def test_time_without_a_ready_pod_is_counted_within_the_span_only():
    pods = updates.ReadyPods()
    pods._changes = [(0.0, 0), (5.0, 1), (10.0, 0), (14.0, 2), (20.0, 0)]
    assert pods.seconds_without(8, 16) == 4
    assert pods.seconds_without(0, 25) == 14


def test_the_longest_gap_counts_from_the_ends_of_the_span_too():
    record = Record(answered_at=[1.0, 5.0, 6.0])
    assert (record.longest_gap(0, 7), record.longest_gap(0, 20)) == (4, 14)


def test_what_a_pod_took_is_answered_or_lost():
    record = Record()
    for outcome in (Outcome.ANSWERED, Outcome.TURNED_AWAY, Outcome.LOST, Outcome.ANSWERED):
        record.note(outcome, "why")
    assert (record.accepted, record.losses, dict(record.turned_away)) == (3, ["why"], {"why": 1})


def test_every_update_is_another_revision():
    specs = [updates.build_spec(n, change) for n, change in enumerate(updates.CHANGES)]
    assert len({str(spec) for spec in specs}) == len(specs) == 10
    assert all(spec["resources"]["gpu"]["count"] == 1 for spec in specs)
