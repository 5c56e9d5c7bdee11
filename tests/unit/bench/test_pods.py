"""Reading the steps of a pod's start."""

import pytest

from bench.pods import parse_step


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("0.4s", 0.4, id="parts of a second"),
        pytest.param("2m5s", 125, id="minutes and seconds"),
        pytest.param("1h2s", 3602, id="no minutes between"),
        pytest.param("3m", 180, id="minutes alone"),
    ],
)
def test_a_step_is_read_as_the_status_writes_it(text, seconds):
    assert parse_step(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "12", "1.5m"])
def test_anything_else_is_an_error(text):
    with pytest.raises(ValueError, match="no time of a step"):
        parse_step(text)
