"""Values of JSON beside one another, as people who write JSON mean it. Pure."""

from decimal import Decimal
from typing import Any


def is_equal(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return bool(one == other)


def is_near(value: Any, number: float, tolerance: float) -> bool:
    """Compare as written: 0.4 is within 0.1 of 0.3. What is no finite number is near nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    exact = Decimal(repr(value))
    if not exact.is_finite():
        return False
    return abs(exact - Decimal(repr(number))) <= Decimal(repr(tolerance))
