"""Numbers as people read them."""

import pytest

from modelyard_operator.scaling.wording import say_load, say_seconds


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (0, "0 requests"),
        (1, "1 request"),
        (40, "40 requests"),
        (20.5, "20.5 requests"),
        (8.01, "8.1 requests"),
        (0.1 + 0.2, "0.3 requests"),
    ],
)
def test_a_load(load, said):
    assert say_load(load) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(10, "10s"), (60, "1m"), (90, "90s"), (300, "5m"), (3600, "1h"), (5400, "90m")],
)
def test_a_time(seconds, said):
    assert say_seconds(seconds) == said
