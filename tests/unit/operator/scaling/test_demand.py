"""What gateways hold: fresh entries count, others do not."""

from datetime import UTC, datetime

import pytest

from modelyard_api.v1alpha1 import Demand
from modelyard_operator.scaling.demand import count_waiting, find_age

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


def demand(**entries):
    return {name: Demand(waiting=waiting, at=at) for name, (waiting, at) in entries.items()}


CASES = {
    # entries, how many wait now, seconds since somebody last did
    "nobody": ({}, 0, None),
    "a fresh entry": ({"a": (3, "2026-11-22T09:59:50Z")}, 3, 10.0),
    "several gateways": (
        {"a": (3, "2026-11-22T09:59:50Z"), "b": (4, "2026-11-22T09:59:31Z")},
        7,
        10.0,
    ),
    "an entry of 30 seconds ago": ({"a": (3, "2026-11-22T09:59:30Z")}, 0, 30.0),
    "an entry of long ago": ({"a": (3, "2026-11-22T09:00:00Z")}, 0, 3600.0),
    "nobody waits any more": ({"a": (0, "2026-11-22T09:59:59Z")}, 0, None),
    "a clock that is a little ahead": ({"a": (3, "2026-11-22T10:00:04Z")}, 3, 0.0),
    "a clock that is far ahead": ({"a": (3, "2026-11-22T10:00:06Z")}, 0, None),
    "another time zone": ({"a": (3, "2026-11-22T11:59:50+02:00")}, 3, 10.0),
    "no zone is UTC": ({"a": (3, "2026-11-22T09:59:50")}, 3, 10.0),
    "no time": ({"a": (3, "")}, 0, None),
    "nonsense": ({"a": (3, "soon")}, 0, None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_counts(name):
    entries, waiting, age = CASES[name]
    held = demand(**entries)
    assert (count_waiting(held, NOW), find_age(held, NOW)) == (waiting, age)
