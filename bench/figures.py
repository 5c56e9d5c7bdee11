"""Turns measurements into figures: percentiles, and medians over repeated runs."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TypeAlias, Union

Figures: TypeAlias = Mapping[str, Union[float, str, "Figures"]]

_DIGITS = 2


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of the values do not exceed (nearest rank).

    No interpolation: every figure is a measurement that somebody had. With few values a high
    percentile is the largest of them.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    rank = max(math.ceil(len(values) * percent / 100), 1)
    return sorted(values)[rank - 1]


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and the largest of some durations, in milliseconds."""
    return {
        "p50": round(percentile(seconds, 50) * 1000, _DIGITS),
        "p99": round(percentile(seconds, 99) * 1000, _DIGITS),
        "max": round(max(seconds) * 1000, _DIGITS),
    }


def merge_runs(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure over the runs; what some run lacks counts as 0 there.

    Texts are of the first run.
    """
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: _merge([run.get(name, 0.0) for run in runs]) for name in names}


def flatten(figures: Figures, prefix: str = "") -> list[tuple[str, float | str]]:
    """Return the rows of a table: nested names joined by dots, with their values."""
    rows: list[tuple[str, float | str]] = []
    for name, value in figures.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            rows += flatten(value, f"{path}.")
        else:
            rows.append((path, value))
    return rows


def _merge(values: Sequence["float | str | Figures"]) -> "float | str | Figures":
    nested = [value for value in values if isinstance(value, Mapping)]
    if nested:
        return merge_runs(nested)
    texts = [value for value in values if isinstance(value, str)]
    if texts:
        return texts[0]
    numbers = [value for value in values if isinstance(value, int | float)]
    return round(median(numbers), _DIGITS)
