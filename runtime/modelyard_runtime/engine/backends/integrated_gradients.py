"""Integrated gradients: the way from a baseline to the input, and the integral along it. Pure.

For the score F of a label, an input x and a baseline x',

    attribution_i = (x_i - x'_i) * integral over a from 0 to 1 of dF/dx_i at x' + a (x - x')

(Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, 2017, equation 1), by
Gauss-Legendre quadrature. Attributions add up to F(x) - F(x') as the number of points grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_runtime.errors import NotSupported
from modelyard_runtime.tasks.attribution import Difference, ToExplain


@dataclass(frozen=True, slots=True)
class PathRow:
    """A point on the way, `fraction` of it from the baseline to the input; a row of the model.

    `target` is the number of the label; `length` what the row counts for in a batch.
    """

    row: Any
    fraction: float
    target: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """At such a point: the score, and dF/dx_i (x_i - x'_i), summed over what belongs together."""

    score: float
    shares: NDArray[np.float32]


def lay_path(row: Any, *, target: int, steps: int, length: int) -> list[PathRow]:
    """Return the baseline, the points of the quadrature, and the input itself."""
    nodes, _ = np.polynomial.legendre.leggauss(steps)
    fractions = [0.0, *((1 + nodes) / 2).tolist(), 1.0]
    return [PathRow(row, fraction, target, length) for fraction in fractions]


def integrate(asked: ToExplain, slopes: Sequence[Slope]) -> tuple[NDArray[np.float64], Difference]:
    """Return the attributions, from the slopes at all points of the path.

    Raises:
        NotSupported: the model's numbers are no numbers.
    """
    _, weights = np.polynomial.legendre.leggauss(asked.steps)
    inner = np.stack([slope.shares for slope in slopes[1:-1]]).astype(np.float64)
    attributions = np.tensordot(weights / 2, inner, axes=1)
    difference = Difference(
        label=asked.label,
        score=slopes[-1].score,
        baseline_score=slopes[0].score,
        total=float(attributions.sum()),
        steps=asked.steps,
    )
    if not np.isfinite([difference.delta, difference.total]).all():
        raise NotSupported(
            "This cannot be explained: on the way from an input that says nothing to this one, the "
            "model's numbers overflow. A larger spec.runtime.dtype (float32) helps.",
            code="not_explainable",
        )
    return attributions, difference
