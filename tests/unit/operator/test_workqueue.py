"""The queue: each key once, one worker per key, fair, and not too soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelyard_operator.workqueue import Priority, WorkQueue


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return make_queue(clock)


def make_queue(clock, dice=lambda: 1.0):
    return WorkQueue(tenant=lambda key: key[0], now=clock, random=dice)


def take(queue):
    taken = queue.take()
    return taken and taken.key


def drain(queue):
    keys = []
    while (key := take(queue)) is not None:
        keys.append(key)
        queue.succeed(key)
        queue.done(key)
    return keys


def test_a_key_added_twice_is_worked_on_once(queue):
    queue.add(("a", 1))
    queue.add(("a", 1))
    assert drain(queue) == [("a", 1)]


def test_the_age_of_what_has_waited_longest_is_known(queue, clock):
    assert queue.oldest_waiting_seconds() == 0
    queue.add(("a", 1))
    clock.now += 5
    queue.add(("b", 1))
    clock.now += 2
    queue.add(("a", 1), Priority.HIGH)  # more urgent now, and no younger
    assert queue.oldest_waiting_seconds() == 7
    assert take(queue) == ("a", 1)
    assert queue.oldest_waiting_seconds() == 2


def test_a_cleared_queue_keeps_only_what_is_in_work(queue, clock):
    for number in range(3):
        queue.add(("a", number))
    assert take(queue) == ("a", 0)
    queue.add(("a", 0))
    queue.add_after(("a", 9), 5)
    queue.clear()
    clock.now += 10
    queue.done(("a", 0))
    assert (drain(queue), len(queue), queue.running, queue.delayed) == ([], 0, 0, 0)
    queue.add(("a", 1))
    assert drain(queue) == [("a", 1)]


def test_a_key_in_work_is_given_to_nobody_else(queue):
    queue.add(("a", 1))
    assert take(queue) == ("a", 1)
    queue.add(("a", 1))
    assert take(queue) is None


def test_a_key_added_while_in_work_runs_exactly_once_more(queue):
    queue.add(("a", 1))
    key = take(queue)
    for _ in range(5):
        queue.add(key)
    queue.done(key)
    assert drain(queue) == [("a", 1)]


def test_of_several_delays_the_earliest_holds(queue, clock):
    queue.add_after(("a", 1), 10)
    queue.add_after(("a", 1), 3)
    queue.add_after(("a", 1), 7)
    assert queue.seconds_until_due() == 3
    clock.now += 3
    assert drain(queue) == [("a", 1)]
    clock.now += 20
    assert drain(queue) == []


def test_a_key_added_now_needs_no_later_look(queue, clock):
    queue.add_after(("a", 1), 10)
    queue.add(("a", 1))
    assert drain(queue) == [("a", 1)]
    assert queue.seconds_until_due() is None
    clock.now += 60
    assert drain(queue) == []


def test_a_failing_key_waits_twice_as_long_each_time_up_to_five_minutes(queue):
    waits = []
    for _ in range(12):
        queue.add(("a", 1))
        queue.done(take(queue))
        waits.append(queue.retry(("a", 1)))
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_success_forgets_the_failures(queue):
    queue.retry(("a", 1))
    queue.retry(("a", 1))
    queue.succeed(("a", 1))
    assert queue.retry(("a", 1)) == 0.5


def test_the_wait_is_anything_up_to_the_backoff(clock):
    queue = make_queue(clock, dice=lambda: 0.25)
    assert [queue.retry(("a", 1)) for _ in range(3)] == [0.125, 0.25, 0.5]


def test_a_server_that_asks_for_more_patience_gets_it(queue):
    assert queue.retry(("a", 1), at_least=7) == 7


def fail_all(queue, keys):
    """Every key is taken once and meets an API server that is away."""
    for key in keys:
        queue.add(key)
    taken = [take(queue) for _ in keys]
    for key in taken:
        queue.retry(key, is_outage=True)
        queue.done(key)
    return taken


def test_in_an_outage_no_key_waits_for_more_than_fifteen_seconds(queue):
    waits = [queue.retry(("a", 1), is_outage=True) for _ in range(8)]
    assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_in_an_outage_one_key_asks_for_all(queue, clock):
    keys = [("a", number) for number in range(100)]
    fail_all(queue, keys[:20])
    for key in keys[20:]:
        queue.add(key)
    asked, began = [], clock.now
    while clock.now < began + 300:
        key = take(queue)
        if key is None:
            clock.now += max(queue.seconds_until_due(), 0.01)
            continue
        asked.append(clock.now)
        queue.retry(key, is_outage=True)
        queue.done(key)
    assert len(asked) <= 25


def test_the_first_success_after_an_outage_lets_all_go_on(queue, clock):
    keys = [("a", number) for number in range(100)]
    fail_all(queue, keys[:20])
    for key in keys[20:]:
        queue.add(key)
    assert take(queue) is None
    clock.now += queue.seconds_until_due()
    first = take(queue)
    assert take(queue) is None
    queue.succeed(first)
    queue.done(first)
    clock.now += 15
    assert sorted([first, *drain(queue)]) == keys


def test_keys_refused_for_reasons_of_their_own_are_no_outage(queue):
    keys = [("a", number) for number in range(10)]
    for key in keys:
        queue.retry(key)
    queue.add(("a", "changed"))
    assert take(queue) == ("a", "changed")


def test_a_changed_object_goes_before_those_that_are_only_looked_at(queue):
    for number in range(3):
        queue.add(("a", number), Priority.LOW)
    queue.add(("a", "changed"), Priority.HIGH)
    assert take(queue) == ("a", "changed")


def test_a_waiting_key_moves_up_when_it_becomes_urgent(queue):
    queue.add(("a", 1), Priority.LOW)
    queue.add(("a", 2), Priority.LOW)
    queue.add(("a", 2), Priority.HIGH)
    queue.add(("a", 2), Priority.LOW)
    assert drain(queue) == [("a", 2), ("a", 1)]


def test_a_steady_stream_of_urgent_keys_does_not_starve_the_others(queue):
    queue.add(("a", "low"), Priority.LOW)
    taken = []
    for number in range(8):
        queue.add(("a", number), Priority.HIGH)
        key = take(queue)
        queue.done(key)
        taken.append(key[1])
    assert "low" in taken


def test_a_namespace_with_a_thousand_keys_does_not_hold_up_another(queue):
    for number in range(1000):
        queue.add(("crowded", number))
    queue.add(("small", 1))
    assert [take(queue)[0] for _ in range(2)].count("small") == 1


def test_the_time_in_the_queue_is_told(queue, clock):
    queue.add(("a", 1))
    clock.now += 4
    assert queue.take().waited_seconds == 4


def test_the_oldest_work_in_progress_is_told(queue, clock):
    assert queue.longest_running_seconds() == 0
    queue.add(("a", 1))
    take(queue)
    clock.now += 9
    assert (queue.longest_running_seconds(), queue.running) == (9, 1)


KEYS = st.tuples(st.sampled_from("abc"), st.integers(0, 3))


@given(st.lists(KEYS), st.sampled_from(Priority))
def test_every_key_added_is_worked_on_and_none_twice(keys, priority):
    queue = make_queue(Clock())
    for key in keys:
        queue.add(key, priority)
    assert sorted(drain(queue)) == sorted(set(keys))


class Machine(RuleBasedStateMachine):
    """Whatever happens: one worker per key, and a key that was asked for is never forgotten."""

    @initialize()
    def start(self):
        self.clock = Clock()
        self.queue = make_queue(self.clock)
        self.running = set()
        self.owed = set()

    @rule(key=KEYS, priority=st.sampled_from(Priority))
    def add(self, key, priority):
        self.queue.add(key, priority)
        self.owed.add(key)

    @rule(key=KEYS, seconds=st.floats(0, 100))
    def add_after(self, key, seconds):
        self.queue.add_after(key, seconds)
        self.owed.add(key)

    @rule(key=KEYS, is_outage=st.booleans())
    def retry(self, key, is_outage):
        self.queue.retry(key, is_outage=is_outage)
        self.owed.add(key)

    @rule(seconds=st.floats(0, 50))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule()
    def take(self):
        key = take(self.queue)
        if key is not None:
            assert key not in self.running
            assert key in self.owed
            self.running.add(key)
            self.owed.discard(key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data):
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(key)
        self.queue.done(key)

    @invariant()
    def nothing_is_forgotten(self):
        if not hasattr(self, "queue"):
            return
        assert self.queue.running == len(self.running)
        held = len(self.queue) + self.queue.delayed
        assert held + len(self.owed & self.running) >= len(self.owed)

    def teardown(self):
        if not hasattr(self, "queue"):
            return
        for key in self.running:
            self.queue.succeed(key)
            self.queue.done(key)
        self.clock.now += 1e6
        assert set(drain(self.queue)) >= self.owed


TestMachine = Machine.TestCase
