"""Text for a terminal."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_cli.plugin.text import (
    align,
    clean,
    clean_block,
    clean_json,
    clean_message,
    clip,
    measure,
    read_time,
    tell_age,
    wrap,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("two  words\n and\tmore", "two words and more"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202eb", r"a\u202eb"),
        ("no\u00a0break", "no break"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("\ud800", r"\ud800"),
    ],
    ids=[
        "white space is one space",
        "colours go",
        "other escapes are shown",
        "the escapes of eight bits too",
        "and what turns the direction",
        "spaces are spaces",
        "joiners stay",
        "half a character is shown",
    ],
)
def test_what_is_cleaned_steers_nothing(text, cleaned):
    assert clean(text) == cleaned


@given(st.text())
def test_whatever_comes_is_printable(text):
    joiners = {"\u200c", "\u200d"}
    assert all(c.isprintable() or c in joiners for c in clean(text))
    assert all(c.isprintable() or c in {*joiners, "\n"} for c in clean_block(text))


@given(st.text())
def test_cleaned_json_is_the_same_document(text):
    document = clean_json(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(document) == {"a": text}


@given(st.text(alphabet="ab 模é"), st.integers(min_value=12, max_value=40))
def test_wrapped_lines_fit_and_lose_nothing(text, columns):
    lines = wrap(text, columns, first="- ", later="  ")
    assert max(map(measure, lines)) <= columns
    assert "".join(lines).replace(" ", "").removeprefix("-") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "columns", "clipped"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("模型模型", 5, "模型…"),
        ("e\u0301e", 2, "e\u0301e"),
    ],
)
def test_clipping_says_that_something_is_missing(text, columns, clipped):
    assert clip(text, columns) == clipped


def test_columns_are_aligned_by_what_is_seen():
    assert align([["模型", "x"], ["ab", "y"]]) == ["模型  x", "ab    y"]


def test_the_uid_of_a_pod_and_the_port_of_a_probe_are_left_out():
    uid = "9756433a-622e-4230-b4c4-0f8aa9576bf6"
    text = f"pod a-b_team({uid}): read tcp 10.0.0.1:40000->10.0.0.7:8080"
    assert clean_message(text) == "pod a-b: read tcp 10.0.0.7:8080"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((-5, "0s"), (59, "59s"), (60, "1m"), (90, "1m30s"), (185, "3m"), (3600, "1h")),
        *((7260, "2h1m"), (36000, "10h"), (90000, "1d1h"), (864000, "10d")),
    ],
)
def test_ages(seconds, told):
    assert tell_age(NOW - timedelta(seconds=seconds), NOW) == told


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T10:00:00Z", NOW),
        ("2026-11-22T10:00:00.5Z", NOW + timedelta(seconds=0.5)),
        ("2026-11-22T10:00:00", None),
        ("", None),
    ],
)
def test_times(text, time):
    assert (read_time(text), tell_age(None, NOW)) == (time, "?")
