"""Who is computed next: bounds, order, room in the cache, and that everyone ends."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_runtime.engine.scheduler import (
    Feed,
    Limits,
    Move,
    Plan,
    Row,
    Scheduler,
    footprint,
    form_prefill,
    largest_context,
)

LIMITS = Limits(max_rows=4, cache_tokens=10**6, chunk_tokens=8, idle_chunk_tokens=32)


def build_row(tokens, *, cached=0, name="a"):
    return Row(owner=name, index=0, tokens=list(range(tokens)), cached=cached)


def describe(plan):
    """Feeds as (owner, slot, count)."""
    return {
        "prefill": [(feed.row.owner, feed.slot, feed.count) for feed in plan.prefill],
        "decode": [(feed.row.owner, feed.slot, feed.count) for feed in plan.decode],
    }


@pytest.mark.parametrize(
    ("pending", "budget", "counts"),
    [
        pytest.param([], 8, [], id="nothing to read"),
        pytest.param([5], 8, [5], id="one prompt within the budget is read whole"),
        pytest.param([50], 8, [8], id="a long prompt is read by the piece"),
        pytest.param([50, 2], 8, [8], id="a long prompt leaves no room for others"),
        pytest.param([2, 2, 2, 2, 2], 8, [2, 2, 2, 2], id="short prompts share the budget"),
        pytest.param([2, 4, 4], 8, [2, 4], id="the rectangle counts, not the sum"),
        pytest.param([3, 7, 2], 8, [3], id="whoever does not fit is not overtaken"),
    ],
)
def test_prompts_read_in_one_pass(pending, budget, counts):
    feeds = [Feed(build_row(count), slot, count) for slot, count in enumerate(pending)]
    assert [feed.count for feed in form_prefill(feeds, budget)] == counts


def test_rows_that_read_and_rows_that_generate_share_a_step():
    scheduler = Scheduler(LIMITS)
    generating, reading = build_row(3, cached=2, name="old"), build_row(20, name="new")
    scheduler.add([generating])
    scheduler.add([reading])
    plan = scheduler.plan()
    assert describe(plan) == {"prefill": [("new", 1, 8)], "decode": [("old", 0, 1)]}
    assert (plan.rows, plan.columns, plan.moves) == (2, 20, ())


def test_a_prompt_nobody_waits_behind_is_read_in_larger_pieces():
    scheduler = Scheduler(LIMITS)
    scheduler.add([build_row(100)])
    assert describe(scheduler.plan())["prefill"] == [("a", 0, 32)]


def test_choices_wait_for_the_prompt_and_then_copy_it():
    scheduler = Scheduler(LIMITS)
    first, second, third = (build_row(10, name=name) for name in "abc")
    scheduler.add([first, second, third])
    assert describe(scheduler.plan()) == {"prefill": [("a", 0, 10)], "decode": []}
    first.cached = 10
    assert scheduler.fork(first) == [(1, second), (2, third)]
    assert (second.cached, third.cached) == (10, 10)
    assert (second.parent, third.parent) == (None, None)


def test_a_full_house_makes_others_wait_in_order():
    scheduler = Scheduler(LIMITS)
    for name in "abcdef":
        scheduler.add([build_row(2, name=name)])
    scheduler.plan()
    assert [row.owner for row in scheduler.rows] == list("abcd")
    scheduler.remove([scheduler.rows[1]])
    scheduler.plan()
    assert [row.owner for row in scheduler.rows] == list("adce")
    assert [group[0].owner for group in scheduler.waiting] == ["f"]


def test_a_request_of_many_choices_is_not_overtaken():
    scheduler = Scheduler(LIMITS)
    scheduler.add([build_row(2, name="a"), build_row(2, name="a")])
    scheduler.add([build_row(2, name="b") for _ in range(3)])
    scheduler.add([build_row(2, name="c")])
    scheduler.plan()
    assert [row.owner for row in scheduler.rows] == ["a", "a"]


@pytest.mark.parametrize(
    ("leaving", "left", "moves"),
    [
        pytest.param("d", "abc", [], id="the last leaves no gap"),
        pytest.param("a", "dbc", [Move(3, 0, 3)], id="the last fills the gap"),
        pytest.param("ab", "dc", [Move(3, 0, 3), Move(2, 1, 2)], id="two gaps"),
        pytest.param("cd", "ab", [], id="a gap at the end takes no move"),
        pytest.param("ad", "cb", [Move(2, 0, 2)], id="the last leaves too"),
        pytest.param("abcd", "", [], id="all leave"),
    ],
)
def test_gaps_are_closed(leaving, left, moves):
    scheduler = Scheduler(LIMITS)
    for cached, name in enumerate("abcd"):
        scheduler.add([build_row(9, cached=cached, name=name)])
    scheduler.plan()
    gone = [row for row in scheduler.rows if row.owner in leaving]
    assert scheduler.remove(gone) == moves
    assert "".join(row.owner for row in scheduler.rows) == left


def test_the_youngest_gives_its_place_up_when_the_cache_is_full():
    one_block = footprint(2, 1)
    limits = Limits(max_rows=8, cache_tokens=one_block, chunk_tokens=8, idle_chunk_tokens=8)
    scheduler = Scheduler(limits)
    old, young = build_row(128, cached=127, name="old"), build_row(9, cached=8, name="young")
    scheduler.add([old])
    scheduler.add([young])
    assert describe(scheduler.plan())["decode"] == [("old", 0, 1), ("young", 1, 1)]
    old.tokens.append(1)
    old.cached = 128
    plan = scheduler.plan()
    assert describe(plan) == {"prefill": [], "decode": [("old", 0, 1)]}
    assert (young.cached, scheduler.preemptions) == (0, 1)
    scheduler.remove([old])
    assert describe(scheduler.plan())["prefill"] == [("young", 0, 8)]


@given(st.integers(1, 100_000))
def test_the_longest_context_fits_alone(cache_tokens):
    context = largest_context(cache_tokens)
    assert context == 0 or footprint(1, context) <= cache_tokens
    assert footprint(1, context + 1) > cache_tokens


@dataclass
class Wish:
    """A request: prompt and answer lengths, choices, and the steps after which it leaves."""

    prompt: int
    answer: int
    choices: int
    patience: int | None
    rows: list[Row] = field(default_factory=list)


wishes = st.builds(
    Wish,
    prompt=st.integers(1, 200),
    answer=st.integers(1, 60),
    choices=st.integers(1, 3),
    patience=st.none() | st.integers(0, 30),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(wishes, max_size=12), st.integers(4, 6), st.integers(3 * 512, 5 * 512))
def test_everyone_ends_and_no_bound_is_broken(crowd, max_rows, cache_tokens):
    limits = Limits(max_rows, cache_tokens, chunk_tokens=16, idle_chunk_tokens=64)
    scheduler = Scheduler(limits)
    for wish in crowd:
        wish.rows = [Row(wish, n, [1] * wish.prompt) for n in range(wish.choices)]
        scheduler.add(wish.rows)
    for step in range(20_000):
        for wish in crowd:
            if wish.patience == step:
                scheduler.remove(wish.rows)
        if not scheduler.has_work():
            break
        follow(scheduler, scheduler.plan(), limits)
    assert not scheduler.has_work()
    for wish in crowd:
        done = [len(row.tokens) - wish.prompt for row in wish.rows]
        assert wish.patience is not None or done == [wish.answer] * wish.choices


def follow(scheduler: Scheduler, plan: Plan, limits: Limits) -> None:
    """Do as the plan says, as the engine does."""
    assert plan.rows <= limits.max_rows
    assert footprint(plan.rows, plan.columns) <= limits.cache_tokens
    assert plan.prefill or plan.decode
    widest = max((feed.count for feed in plan.prefill), default=0)
    assert widest * len(plan.prefill) <= limits.idle_chunk_tokens
    ended = []
    for feed in (*plan.decode, *plan.prefill):
        drawn = [feed.row] if feed.completes else []
        feed.row.cached += feed.count
        if drawn:
            drawn += [row for _, row in scheduler.fork(feed.row)]
        for row in drawn:
            row.tokens.append(1)
            ended += [row] if len(row.tokens) - row.owner.prompt >= row.owner.answer else []
    scheduler.remove(ended)
