"""How many pods: scenarios played second by second. test_decision_properties.py has any load."""

import pytest

from modelyard_api.v1alpha1 import Scaling
from modelyard_operator.scaling.decision import Memory, Rule, build_rule, decide
from tests.support.scaling_play import Play, find_turns, gaps, steady

RULE = Rule(least=1, most=10, target=8, window_seconds=60, delay_seconds=300)
SLEEPY = Rule(least=1, most=10, target=8, window_seconds=60, delay_seconds=300, idle_seconds=120)
EAGER = Rule(least=1, most=10, target=8, window_seconds=10, delay_seconds=0)


DELAYED = "no more pods were needed for 5m"
SCENARIOS = {
    # rule, pods, loads by seconds; when it changes from what to what, and why
    "a load that its pods carry changes nothing": (RULE, 1, [(600, 8)], []),
    "a step is followed within two seconds": (
        RULE,
        1,
        [(60, 1), (10, 40)],
        [
            (61, 1, 3, "20.5 requests in flight, 8 each"),
            (62, 3, 5, "40 requests in flight, 8 each"),
        ],
    ),
    "one odd sample of a busy model does nothing": (RULE, 2, [(60, 15), (1, 45), (60, 15)], []),
    "a load that is a little too much is averaged first": (
        RULE,
        1,
        [(60, 8), (60, 10)],
        [(61, 1, 2, "8.1 requests in flight, 8 each")],
    ),
    "no more than the maximum": (
        RULE,
        1,
        [(60, 1), (30, 500)],
        [(61, 1, 10, "250.5 requests in flight, 8 each")],
    ),
    "fewer pods come after the delay, as the average has fallen": (
        RULE,
        5,
        [(400, 40), (400, 1)],
        [
            (713, 5, 4, f"1 request in flight, 8 each; {DELAYED}"),
            (725, 4, 3, f"1 request in flight, 8 each; {DELAYED}"),
            (737, 3, 2, f"1 request in flight, 8 each; {DELAYED}"),
            (750, 2, 1, f"1 request in flight, 8 each; {DELAYED}"),
        ],
    ),
    "without a delay fewer pods come with the average": (
        EAGER,
        5,
        [(30, 40), (10, 8)],
        [
            (33, 5, 4, "30.4 requests in flight, 8 each"),
            (35, 4, 3, "24 requests in flight, 8 each"),
            (38, 3, 2, "14.4 requests in flight, 8 each"),
            (40, 2, 1, "8 requests in flight, 8 each"),
        ],
    ),
    "a peak within the delay keeps what it needed": (
        RULE,
        2,
        [(400, 12), (200, 1), (60, 15), (280, 1)],
        [],
    ),
    "a busy sleepy model stays awake": (SLEEPY, 1, [(600, 0.5)], []),
    "an idle one sleeps": (SLEEPY, 1, [(60, 1), (200, 0)], [(180, 1, 0, "no requests for 2m")]),
    "an idle one that may not sleep keeps its minimum": (RULE, 1, [(600, 0)], []),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_happens_when(name):
    rule, replicas, loads, told = SCENARIOS[name]
    play = Play(rule, replicas)
    for seconds, load in loads:
        play.run(seconds, load)
    assert play.told == told


def test_pods_that_are_still_starting_count():
    play = Play(RULE, start_seconds=30).run(60, 1).run(60, 40)
    assert play.changes == [(61, 3), (62, 5)]


def test_what_a_rush_has_brought_stays_until_it_is_long_over():
    play = Play(EAGER).run(30, 1).run(2, 40).run(8, 1)
    assert play.replicas == 5
    assert play.run(10, 1).replicas == 1


def test_a_step_and_back_change_direction_once():
    play = Play(RULE).run(60, 1).run(120, 40).run(600, 1)
    counts = [1, *(replicas for _, replicas in play.changes)]
    assert counts == [1, 3, 5, 4, 3, 2, 1]


def test_a_saw_tooth_changes_direction_at_most_once_per_window():
    rule = Rule(least=1, most=10, target=8, window_seconds=60, delay_seconds=0)
    play = Play(rule)
    for _ in range(20):
        play.run(40, 40).run(40, 0)
    assert len(find_turns(play)) >= 2
    assert min(gaps(find_turns(play))) >= rule.window_seconds


def test_what_a_silent_pod_does_is_unknown():
    """It is not idle, so nothing is stopped; what the others carry is enough to add pods."""
    assert steady(RULE, 16, 2).run(700, 2, silent=1).changes == []
    assert Play(RULE, 2).run(60, 1).run(5, 80, silent=1).replicas >= 5
    assert Play(SLEEPY, 2).run(700, silent=1).changes == []


def test_one_missed_answer_neither_wakes_nor_keeps_awake():
    play = Play(SLEEPY).run(60, 0).step(silent=1).run(60, 0)
    assert play.changes == [(121, 0)]


def test_requests_too_short_to_be_seen_in_flight_are_no_idleness():
    play = Play(SLEEPY)
    for _ in range(60):
        play.run(9).step(served=1)
    assert play.changes == []


def test_without_samples_nothing_changes():
    decision = decide(RULE, [], Memory(), current=4, waiting=0, now=5.0)
    assert (decision.replicas, decision.why) == (4, "")


def test_after_a_pause_nothing_is_known_of_the_time_before():
    play = steady(RULE, 1, 3)
    assert play.replicas == 1
    play.set(3)
    play.now += 3600
    assert play.run(299, 1).changes[-1][1] == 1
    assert play.replicas == 3
    assert play.run(2, 1).replicas == 1


ASLEEP = [
    # rule, waiting, pods, why
    (SLEEPY, 0, 0, ""),
    (SLEEPY, 1, 1, "1 request waiting at the gateway, 8 each"),
    (SLEEPY, 8, 1, "8 requests waiting at the gateway, 8 each"),
    (SLEEPY, 20, 3, "20 requests waiting at the gateway, 8 each"),
    (SLEEPY, 900, 10, "900 requests waiting at the gateway, 8 each"),
    (RULE, 0, 1, "spec.scaling.min is 1"),
]


@pytest.mark.parametrize(("rule", "waiting", "replicas", "why"), ASLEEP)
def test_what_wakes_a_model(rule, waiting, replicas, why):
    found = decide(rule, [], Memory(), current=0, waiting=waiting, now=5.0)
    assert (found.replicas, found.why) == (replicas, why)


def test_who_waits_at_the_gateway_counts_until_a_pod_is_ready():
    play = Play(SLEEPY, 0, start_seconds=20)
    play.step(waiting=1).run(3, waiting=30)
    assert play.told == [
        (1, 0, 1, "1 request waiting at the gateway, 8 each"),
        (2, 1, 4, "30 requests waiting at the gateway, 8 each"),
    ]


def test_a_model_does_not_sleep_while_somebody_waits_or_no_pod_is_ready():
    assert Play(SLEEPY).run(600, waiting=1).changes == []
    assert Play(SLEEPY, start_seconds=10_000).run(600).changes == []


BOUNDS = [
    # min, max, pods, pods after, why
    (2, 5, 1, 2, "spec.scaling.min is 2"),
    (2, 5, 9, 5, "spec.scaling.max is 5"),
    (2, 5, 3, 3, ""),
]


@pytest.mark.parametrize(("least", "most", "current", "wanted", "why"), BOUNDS)
def test_bounds_hold_at_once_and_without_samples(least, most, current, wanted, why):
    rule = Rule(least=least, most=most, target=8, window_seconds=60, delay_seconds=300)
    found = decide(rule, [], Memory(), current=current, waiting=0, now=5.0)
    assert (found.replicas, found.why) == (wanted, why)


@pytest.mark.parametrize(
    ("scaling", "limit", "rule"),
    [
        ({"max": 5}, 100, Rule(1, 5, 8, 60, 300)),
        ({"min": 2, "max": 50}, 20, Rule(2, 20, 8, 60, 300)),
        ({"min": 30, "max": 50}, 20, Rule(20, 20, 8, 60, 300)),
        ({"max": 1, "idleAfter": "10m"}, 100, Rule(1, 1, 8, 60, 300, 600)),
        (
            {"max": 4, "target": {"inFlight": 2}, "window": "10s", "scaleDownDelay": "0s"},
            100,
            Rule(1, 4, 2, 10, 0),
        ),
    ],
)
def test_a_rule_is_what_the_spec_says_within_the_limit(scaling, limit, rule):
    assert build_rule(Scaling.model_validate(scaling), limit) == rule


def test_what_is_remembered_stays_small():
    rule = Rule(least=1, most=100, target=1, window_seconds=10, delay_seconds=86_400)
    play = Play(rule)
    for second in range(2000):
        play.step(float(second * 7919 % 100))
    assert len(play.memory.enough) <= rule.most + 1
