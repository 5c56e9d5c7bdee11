"""The way from the baseline to the input, and the integral along it, of known functions."""

import numpy as np
import pytest

from modelyard_runtime.engine.backends.integrated_gradients import (
    PathRow,
    Slope,
    integrate,
    lay_path,
)
from modelyard_runtime.errors import NotSupported
from modelyard_runtime.tasks.attribution import Difference, ToExplain

INPUT = np.array([2.0, -1.0, 0.5])
BASELINE = np.array([0.5, 1.0, 0.5])


def cubic(x):
    """A polynomial of degree 3, and its gradient."""
    return x[0] ** 3 + x[0] * x[1] + 4 * x[2], np.array([3 * x[0] ** 2 + x[1], x[0], 4.0])


def steep(x):
    chance = 1 / (1 + np.exp(-20 * (x[0] - 0.8)))
    return chance, np.array([20 * chance * (1 - chance), 0.0, 0.0])


def explain(function, steps):
    rows = lay_path("row", target=1, steps=steps, length=7)
    slopes = []
    for row in rows:
        score, gradient = function(BASELINE + row.fraction * (INPUT - BASELINE))
        slopes.append(Slope(score, (gradient * (INPUT - BASELINE)).astype(np.float32)))
    return integrate(ToExplain(None, "up", steps), slopes)


def test_the_path_has_both_ends_and_the_points_of_the_quadrature():
    middle = [0.5 - np.sqrt(3) / 6, 0.5 + np.sqrt(3) / 6]
    fractions = pytest.approx([0.0, *middle, 1.0])
    path = lay_path("row", target=1, steps=2, length=7)
    assert [row.fraction for row in path] == fractions
    assert path[0] == PathRow("row", 0.0, target=1, length=7)


@pytest.mark.parametrize("steps", [2, 3, 32, 128])
def test_a_cubic_is_integrated_exactly(steps):
    attributions, difference = explain(cubic, steps)
    # Each is the integral of its own slope; the third number is the same at both ends.
    assert attributions == pytest.approx([7.875, -2.5, 0.0], abs=1e-5)
    score, baseline_score = cubic(INPUT)[0], cubic(BASELINE)[0]
    assert difference == Difference(
        "up", score, baseline_score, pytest.approx(score - baseline_score, abs=1e-5), steps
    )
    assert difference.delta == pytest.approx(0, abs=1e-5)


def test_what_few_steps_miss_is_told():
    deltas = [abs(explain(steep, steps)[1].delta) for steps in (1, 4, 16, 64)]
    assert deltas == sorted(deltas, reverse=True)
    assert deltas[0] > 0.1
    assert deltas[-1] < 1e-5


def test_attributions_keep_the_shape_of_the_shares():
    slopes = [Slope(score, np.full((2, 3), score, np.float32)) for score in (0.0, 0.25, 0.75, 1.0)]
    attributions, _ = integrate(ToExplain(None, "up", 2), slopes)
    assert attributions == pytest.approx(np.full((2, 3), 0.5))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["score", "gradient"])
def test_numbers_that_overflow_are_no_explanation(broken, where):
    good = Slope(0.5, np.zeros(2, np.float32))
    bad = {
        "score": Slope(broken, np.zeros(2, np.float32)),
        "gradient": Slope(0.5, np.array([0, broken], np.float32)),
    }[where]
    slopes = [good, bad, good] if where == "gradient" else [good, good, bad]
    with pytest.raises(NotSupported, match="float32"):
        integrate(ToExplain(None, "up", 1), slopes)
