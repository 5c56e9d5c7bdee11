"""What a soak asks, and how it judges memory."""

from itertools import islice

import pytest

from bench.soak import WEIGHTS, check_flat, draw_asks, fit_slope, summarise_memory
from modelyard_local.errors import LocalError


def test_the_same_seed_asks_the_same():
    first, again, other = (list(draw_asks(500, seed)) for seed in (1, 1, 2))
    assert first == again != other
    models = [model for model, _ in first]
    assert models.count("sentiment") > models.count("minilm") > 0
    assert set(models) <= set(WEIGHTS)


def test_most_of_what_is_asked_is_right():
    wrong = [ask for _, ask in islice(draw_asks(2000, 1), 2000) if ask.expected not in {200, "OK"}]
    assert 100 < len(wrong) < 300


@pytest.mark.parametrize(
    ("points", "slope"),
    [
        ([(0, 5.0), (10, 5.0), (20, 5.0)], 0),
        ([(0, 0.0), (10, 5.0), (20, 10.0)], 0.5),
        ([(7, 1.0)], 0),
    ],
)
def test_the_slope(points, slope):
    assert fit_slope(points) == pytest.approx(slope)


def test_memory_is_judged_from_the_middle_on():
    seen = [(0, 100.0), (1000, 300.0), (2000, 301.0), (3000, 302.0)]
    memory = summarise_memory(seen)
    assert memory == {
        "rss_mib_start": 100.0,
        "rss_mib_middle": 301.0,
        "rss_mib_end": 302.0,
        "kib_per_1000_requests": 1024.0,
    }
    check_flat({"tiny": memory})
    with pytest.raises(LocalError, match="tiny has grown by 99 MiB"):
        check_flat({"tiny": {**memory, "rss_mib_end": 400.0}})
