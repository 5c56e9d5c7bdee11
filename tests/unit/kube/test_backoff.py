"""Waiting before another try."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard_kube.backoff import Backoff, full_jitter


def test_waits_double_up_to_the_cap_and_start_again_after_a_success():
    backoff = Backoff(random=lambda: 1.0, base_seconds=1, max_seconds=5)
    assert [backoff.next() for _ in range(4)] == [1, 2, 4, 5]
    backoff.reset()
    assert backoff.next() == 1


def test_what_the_server_asks_for_is_the_least():
    backoff = Backoff(random=lambda: 0.0)
    assert (backoff.next(3.0), backoff.next()) == (3.0, 0.0)


def test_periods_are_spread_and_never_longer():
    assert Backoff(random=lambda: 0.0).spread(100) == 80
    assert Backoff(random=lambda: 1.0).spread(100) == 100


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_no_number_of_failures_waits_longer_than_the_cap(failures, dice):
    wait = full_jitter(failures, base_seconds=0.5, max_seconds=300, random=lambda: dice)
    assert 0 <= wait <= 300
