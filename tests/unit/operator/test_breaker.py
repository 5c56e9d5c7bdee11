"""The breaker: an API server that serves nobody is asked seldom, and its return is noticed soon."""

import pytest

from modelyard_operator.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(now=clock, random=lambda: 1.0, patience_seconds=15.0)


def strike(breaker, count, at_least=0.0):
    for key in range(count):
        breaker.strike(key, at_least)


def test_a_few_keys_that_fail_hold_up_nobody(breaker):
    strike(breaker, 4)
    assert not breaker.is_open
    assert breaker.hold_seconds() == 0


def test_one_key_that_fails_for_ever_holds_up_nobody(breaker):
    for _ in range(100):
        breaker.strike("poison", 0.0)
    assert not breaker.is_open


def test_five_keys_in_a_row_hold_up_all(breaker):
    strike(breaker, 5)
    assert breaker.is_open
    assert breaker.hold_seconds() == 1


def test_those_that_were_under_way_do_not_lengthen_the_wait(breaker):
    strike(breaker, 16)
    assert breaker.hold_seconds() == 1


def test_one_key_asks_after_each_wait_and_the_waits_grow_to_fifteen_seconds(breaker, clock):
    strike(breaker, 5)
    waits = []
    for _ in range(6):
        waits.append(breaker.hold_seconds())
        clock.now += breaker.hold_seconds()
        breaker.let_one_pass()
        assert breaker.hold_seconds() == 15, "nobody else asks meanwhile"
        breaker.strike("probe", 0.0)
    assert waits == [1, 2, 4, 8, 15, 15]


def test_a_probe_that_tells_nothing_is_followed_by_another(breaker, clock):
    strike(breaker, 5)
    clock.now += 1
    breaker.let_one_pass()
    clock.now += 15
    assert breaker.hold_seconds() == 0


def test_a_server_that_asks_for_more_patience_gets_it(breaker):
    strike(breaker, 5, at_least=20)
    assert breaker.hold_seconds() == 20


def test_one_key_served_lets_all_go_on(breaker):
    strike(breaker, 5)
    breaker.close()
    assert not breaker.is_open
    assert breaker.hold_seconds() == 0
