"""A standby's memory of late changes."""

import pytest

from modelyard_operator.backlog import Backlog
from modelyard_operator.workqueue import Priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


@pytest.mark.parametrize(
    ("changes", "now", "late"),
    [
        ([], 0, []),
        ([(0, "a", LOW), (1, "b", HIGH)], 10, [("a", LOW), ("b", HIGH)]),
        ([(0, "a", LOW), (1, "b", LOW)], 30.5, [("b", LOW)]),
        ([(0, "a", NORMAL), (1, "b", NORMAL), (29, "a", NORMAL)], 40, [("a", NORMAL)]),
        ([(0, "a", HIGH), (5, "a", NORMAL)], 10, [("a", HIGH)]),
        ([(0, "a", HIGH), (35, "a", NORMAL)], 40, [("a", NORMAL)]),
    ],
    ids=[
        "nothing happened",
        "what happened lately is kept, in its order",
        "what is older is the old leader's work, and done",
        "a key that changes again is late again",
        "of two late changes the more urgent counts",
        "an old change lends its urgency to no later one",
    ],
)
def test_late_changes(changes, now, late):
    time = [0.0]
    backlog = Backlog(now=lambda: time[0], keep_seconds=30)
    for at, key, priority in changes:
        time[0] = at
        backlog.add(key, priority)
    time[0] = now
    assert backlog.drain() == late
    assert backlog.drain() == []


def test_a_standby_of_months_keeps_only_what_is_late():
    time = [0.0]
    backlog = Backlog(now=lambda: time[0], keep_seconds=30)
    for number in range(10_000):
        time[0] = float(number)
        backlog.add(f"model-{number}", NORMAL)
    assert len(backlog) <= 32
