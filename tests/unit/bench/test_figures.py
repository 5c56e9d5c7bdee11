"""Percentiles and medians, worked out by hand."""

import pytest

from bench.figures import flatten, merge_runs, percentile, spread_ms

HUNDRED = list(range(1, 101))


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([7.0], 50, 7.0, id="one value is every percentile"),
        pytest.param([3.0, 1.0, 2.0], 50, 2.0, id="order does not matter"),
        pytest.param([1.0, 2.0, 3.0, 4.0], 50, 2.0, id="of two middle ones the smaller"),
        pytest.param(HUNDRED, 99, 99, id="one of a hundred is above p99"),
        pytest.param(HUNDRED[:60], 99, 60, id="of few values p99 is the largest"),
        pytest.param(HUNDRED, 0, 1, id="p0 is the smallest"),
    ],
)
def test_a_percentile_is_one_of_the_values(values, percent, expected):
    assert percentile(values, percent) == expected


def test_nothing_has_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_spread_is_in_milliseconds():
    assert spread_ms([0.0123, 0.02, 0.5]) == {"p50": 20.0, "p99": 500.0, "max": 500.0}


def test_runs_become_medians_group_by_group():
    runs = [
        {"kind": "first", "burst": {"rate": 10.0, "retries": 3}},
        {"kind": "other", "burst": {"rate": 30.0}},
        {"kind": "other", "burst": {"rate": 20.0}},
    ]
    assert merge_runs(runs) == {"kind": "first", "burst": {"rate": 20.0, "retries": 0.0}}


def test_groups_become_rows():
    assert flatten({"a": {"b": {"c": 1.0}, "d": "x"}, "e": 2}) == [
        ("a.b.c", 1.0),
        ("a.d", "x"),
        ("e", 2),
    ]
