"""What is computed together: the oldest always, its neighbours in length, within the bounds."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_runtime.engine.batch import BatchLimits, form_batch


@dataclass(frozen=True)
class Item:
    number: int
    length: int


def form(lengths, **limits):
    items = [Item(number, length) for number, length in enumerate(lengths)]
    return [item.length for item in form_batch(items, BatchLimits(**limits))]


@pytest.mark.parametrize(
    ("lengths", "limits", "batch"),
    [
        pytest.param([], (8, 100), [], id="nothing waits"),
        pytest.param([7], (8, 100), [7], id="one waits"),
        pytest.param([30, 10, 20], (8, 100), [10, 20, 30], id="all fit, sorted by length"),
        pytest.param([10, 10, 10], (2, 100), [10, 10], id="no more than so many"),
        pytest.param([10, 60, 11], (8, 30), [10, 11], id="padding counts"),
        pytest.param([50, 1, 51, 2, 49], (3, 1000), [49, 50, 51], id="like goes with like"),
        pytest.param([500, 1, 2], (8, 100), [500], id="longer than the bound goes alone"),
        pytest.param([1, 500, 2], (8, 100), [1, 2], id="the oldest goes before the longer"),
    ],
)
def test_batches(lengths, limits, batch):
    assert form(lengths, max_items=limits[0], max_tokens=limits[1]) == batch


waiting = st.lists(st.integers(1, 300), min_size=1, max_size=80)
limits = st.builds(BatchLimits, st.integers(1, 20), st.integers(1, 500))


@given(waiting, limits)
def test_the_oldest_is_in_it_and_the_bounds_hold(lengths, bounds):
    items = [Item(number, length) for number, length in enumerate(lengths)]
    batch = form_batch(items, bounds)
    assert items[0] in batch
    assert len(batch) <= bounds.max_items
    assert len(batch) == 1 or max(i.length for i in batch) * len(batch) <= bounds.max_tokens


@given(waiting, limits)
def test_all_are_computed_once(lengths, bounds):
    items = [Item(number, length) for number, length in enumerate(lengths)]
    left, done = list(items), []
    while left:
        batch = form_batch(left, bounds)
        done += batch
        left = [item for item in left if item not in batch]
    assert sorted(done, key=lambda item: item.number) == items
