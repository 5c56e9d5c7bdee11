"""A pace: a few at once, then one at a time."""

from modelyard_operator.pacing import Pace


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def test_a_few_go_at_once_and_the_rest_one_at_a_time():
    pace = Pace(burst=3, interval_seconds=2.0, now=Clock())
    assert [pace.claim() for _ in range(6)] == [0, 0, 0, 2, 4, 6]


def test_who_was_quiet_for_long_has_no_more_than_a_burst():
    clock = Clock()
    pace = Pace(burst=2, interval_seconds=2.0, now=clock)
    clock.now += 1000
    assert [pace.claim() for _ in range(4)] == [0, 0, 2, 4]


def test_who_keeps_the_pace_never_waits():
    clock = Clock()
    pace = Pace(burst=1, interval_seconds=2.0, now=clock)
    waits = []
    for _ in range(5):
        waits.append(pace.claim())
        clock.now += 2.0
    assert waits == [0] * 5
