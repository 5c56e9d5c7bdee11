"""Trying again, until nothing has moved for too long."""

import pytest

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import RateLimited, Transient
from modelyard_runtime.fetch.patience import Patience, choose_pause


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patience(clock):
    return Patience(60, now=lambda: clock.now, sleep=clock.sleep, jitter=lambda: 1.0)


def fail_with(*faults, then="done"):
    left = list(faults)

    def action():
        if left:
            raise left.pop(0)
        return then

    return action


def test_what_works_is_returned(patience, clock):
    assert patience.insist(fail_with(), what="x") == "done"
    assert clock.pauses == []


def test_pauses_grow(patience, clock):
    faults = [Transient("no") for _ in range(4)]
    assert patience.insist(fail_with(*faults), what="x") == "done"
    assert clock.pauses == [1.0, 2.0, 4.0, 8.0]


def test_the_server_is_left_alone_as_long_as_it_asks(patience, clock):
    fault = Transient("429", retry_after_seconds=20)
    assert patience.insist(fail_with(fault), what="x") == "done"
    assert clock.pauses == [20]


def test_it_is_given_up_when_nothing_moves_and_tried_once_when_time_is_up(patience, clock):
    faults = [Transient("busy", retry_after_seconds=45) for _ in range(9)]
    with pytest.raises(CannotStart) as caught:
        patience.insist(fail_with(*faults), what="config.json")
    assert clock.pauses == [45, 15]
    assert caught.value.reason == "DownloadFailed"
    assert caught.value.message == (
        "config.json: busy. No progress for 60 s, so it was given up; what was fetched is kept"
    )


@pytest.mark.parametrize(
    ("asked", "pauses", "told"),
    [
        pytest.param(60, [], "too many, and wants 60 s of rest. The", id="it says how long"),
        pytest.param(0, [1.0, 2.0, 4.0], "too many. The", id="it does not say how long"),
    ],
)
def test_a_hub_that_wants_a_long_rest_is_told_of_by_ending(patience, clock, asked, pauses, told):
    faults = [RateLimited("too many", retry_after_seconds=asked) for _ in range(9)]
    with pytest.raises(CannotStart) as caught:
        patience.insist(fail_with(*faults), what="config.json")
    assert (caught.value.reason, clock.pauses) == ("RateLimited", pauses)
    assert told in caught.value.message


def test_progress_starts_the_clock_and_the_pauses_anew(patience, clock):
    tries = 0

    def action():
        nonlocal tries
        tries += 1
        clock.now += 50
        patience.renew()
        if tries < 5:
            raise Transient("cut")
        return "done"

    assert patience.insist(action, what="x") == "done"
    assert clock.pauses == [0.5] * 4


def test_other_faults_are_not_tried_again(patience, clock):
    with pytest.raises(ZeroDivisionError):
        patience.insist(fail_with(ZeroDivisionError()), what="x")
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("failures", "jitter", "expected"),
    [(0, 1.0, 0.5), (0, 0.0, 0.25), (3, 1.0, 4.0), (6, 1.0, 30.0), (500, 0.0, 15.0)],
)
def test_pauses_are_bounded_and_spread(failures, jitter, expected):
    assert choose_pause(failures, jitter) == expected
