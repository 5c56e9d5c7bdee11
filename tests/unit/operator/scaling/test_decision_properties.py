"""How many pods: what holds for any rule and any load."""

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_operator.scaling.decision import Rule
from tests.support.scaling_play import Play, find_turns, gaps

rules = st.builds(
    lambda least, spread, target, window, delay: Rule(least, least + spread, target, window, delay),
    least=st.integers(1, 4),
    spread=st.integers(0, 8),
    target=st.integers(1, 20),
    window=st.integers(10, 40),
    delay=st.integers(0, 60),
)
loads = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 300)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(rule=rules, loads=loads, start=st.integers(0, 20))
def test_any_load_keeps_bounds_and_turns_at_most_once_per_window(rule, loads, start):
    play = Play(rule, rule.least, start_seconds=start)
    for seconds, load in loads:
        play.run(seconds, load)
    assert all(rule.least <= replicas <= rule.most for _, replicas in play.changes)
    assert min(gaps(find_turns(play, rule.least))) >= rule.window_seconds


@settings(max_examples=60, deadline=None)
@given(rule=rules, load=st.integers(0, 300), before=st.integers(0, 300))
def test_any_steady_load_ends_at_what_it_needs(rule, load, before):
    play = Play(rule, rule.least).run(100, before)
    play.run(rule.window_seconds * 4 + rule.delay_seconds + 10, load)
    assert play.replicas == min(max(-(-load // rule.target), rule.least), rule.most)


@settings(max_examples=60, deadline=None)
@given(rule=rules, loads=loads, silent=st.integers(1, 3))
def test_while_a_pod_is_silent_none_is_stopped(rule, loads, silent):
    play = Play(rule, rule.most)
    for seconds, load in loads:
        play.run(seconds, load, silent=silent)
    assert play.changes == []


@settings(max_examples=30, deadline=None)
@given(rule=rules, load=st.integers(0, 300))
def test_a_doubled_load_is_followed_within_two_seconds(rule, load):
    play = Play(rule, rule.least).run(60, 0)
    play.run(2, load)
    is_rush = load >= 2 * rule.least * rule.target
    wanted = min(max(-(-load // rule.target), rule.least), rule.most)
    assert not is_rush or play.replicas == wanted
