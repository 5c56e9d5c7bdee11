"""Excerpts: short, on one line, harmless."""

import pytest

from modelyard_runtime.excerpts import excerpt, excerpt_text

TEXTS = [
    pytest.param("plain", "plain", id="what is short stays"),
    pytest.param("0123456789", "0123456789", id="what just fits stays"),
    pytest.param("0123456789a", "0123456789… (11 characters)", id="what is longer is cut"),
    pytest.param("x" * 10**6, "xxxxxxxxxx… (1000000 characters)", id="so is what is huge"),
    pytest.param("grün 日本 🙂", "grün 日本 🙂", id="letters of all languages stay"),
    pytest.param("a\nb\tc", "a\\nb\\tc", id="line breaks and tabs are escaped"),
    pytest.param("\x1b[2J", "\\x1b[2J", id="orders to a terminal are escaped"),
    pytest.param("a\u202eb", "a\\u202eb", id="so is what turns the text's direction"),
    pytest.param("\ud800", "\\ud800", id="so is half of a character"),
    pytest.param("\x00" * 4, "\\x00\\x00\\x… (4 characters)", id="escapes count as they look"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_a_text_is_shown_so(text, shown):
    assert excerpt_text(text, 10) == shown


VALUES = [
    pytest.param("POSITIVE", '"POSITIVE"', id="a text has its quotes"),
    pytest.param({"a": [1, 2.5, None, True]}, '{"a": [1, 2.5, null, true]}', id="JSON is JSON"),
    pytest.param("é\n\x7f", '"é\\n\\x7f"', id="only what cannot be printed is escaped"),
    pytest.param(float("nan"), "NaN", id="what is no number is said"),
    pytest.param([0.5] * 400, "[0.5, 0.5, 0.5, 0.5, 0.5, 0.5,… (2000 characters)", id="a vector"),
]


@pytest.mark.parametrize(("value", "shown"), VALUES)
def test_a_value_is_shown_so(value, shown):
    assert excerpt(value, 30) == shown
