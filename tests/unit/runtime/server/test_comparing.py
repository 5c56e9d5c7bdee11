"""Equal, and near: tables."""

import math

import pytest

from modelyard_runtime.comparing import is_equal, is_near

EQUAL = [
    pytest.param(1, 1.0, True, id="1 is 1.0"),
    pytest.param(True, 1, False, id="true is not 1"),
    pytest.param(0, False, False, id="0 is not false"),
    pytest.param(True, True, True, id="true is true"),
    pytest.param([1, {"a": [True]}], [1.0, {"a": [True]}], True, id="all the way down"),
    pytest.param([1, {"a": [True]}], [1, {"a": [1]}], False, id="also for true and 1"),
    pytest.param([1], [1, 2], False, id="a list has a length"),
    pytest.param({"a": 1}, {"a": 1, "b": None}, False, id="null is there"),
    pytest.param([], {}, False, id="a list is no object"),
    pytest.param("1", 1, False, id="a text is no number"),
    pytest.param(math.nan, math.nan, False, id="NaN is nothing"),
    pytest.param(2**53 + 1, float(2**53), False, id="large numbers are exact"),
]


@pytest.mark.parametrize(("one", "other", "expected"), EQUAL)
def test_equality_is_that_of_json(one, other, expected):
    assert is_equal(one, other) is expected
    assert is_equal(other, one) is expected


NEAR = [
    pytest.param(0.4, 0.3, 0.1, True, id="as written, not as floats have it"),
    pytest.param(0.2, 0.3, 0.1, True, id="below as well"),
    pytest.param(0.41, 0.3, 0.1, False, id="outside"),
    pytest.param(3, 3.0, 0.0, True, id="whole numbers"),
    pytest.param(True, 1.0, 5.0, False, id="a boolean is no number"),
    pytest.param(None, 0.0, 5.0, False, id="null is no number"),
    pytest.param("1", 1.0, 5.0, False, id="a text is no number"),
    pytest.param(math.nan, 1.0, 1e300, False, id="NaN never passes"),
    pytest.param(math.inf, 1.0, 1e300, False, id="infinity never passes"),
    pytest.param(10**400, 1.0, 1e300, False, id="what no float can hold"),
    pytest.param(1e-320, 0.0, 1e-300, True, id="what is hardly anything"),
]


@pytest.mark.parametrize(("value", "number", "tolerance", "expected"), NEAR)
def test_near_is_near_as_written(value, number, tolerance, expected):
    assert is_near(value, number, tolerance) is expected
