"""Log lines: JSON, with the key and the number of the reconcile they belong to."""

import asyncio
import json
import logging

import pytest

from modelyard_operator.logs import JsonFormatter, reconcile_context
from modelyard_operator.records import Key


def build_line(message="done %s", *args, exc_info=None):
    args = args or ("well",)
    record = logging.LogRecord("modelyard.x", logging.WARNING, "x.py", 1, message, args, exc_info)
    record.created = 0.25
    return json.loads(JsonFormatter().format(record))


def test_a_line_outside_of_any_reconcile():
    assert build_line() == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "warning",
        "logger": "modelyard.x",
        "message": "done well",
    }


def test_a_line_of_a_reconcile_has_its_key_and_its_number():
    with reconcile_context(Key("ns", "a")):
        first, second = build_line(), build_line()
    assert first["key"] == "ns/a"
    assert first["reconcile"] == second["reconcile"]
    assert "key" not in build_line()


def test_each_reconcile_has_a_number_of_its_own():
    numbers = []
    for _ in range(3):
        with reconcile_context(Key("ns", "a")):
            numbers.append(build_line()["reconcile"])
    assert len(set(numbers)) == 3


async def test_reconciles_at_the_same_time_do_not_mix():
    go_on = asyncio.Event()

    async def reconcile(name):
        with reconcile_context(Key("ns", name)):
            await go_on.wait()
            return build_line()["key"]

    both = asyncio.gather(reconcile("a"), reconcile("b"))
    await asyncio.sleep(0)
    go_on.set()
    assert await both == ["ns/a", "ns/b"]


def test_an_error_brings_its_traceback_in_the_same_line():
    with pytest.raises(ValueError, match="no") as caught:
        raise ValueError("no")
    line = build_line(exc_info=(caught.type, caught.value, caught.tb))
    assert line["traceback"].startswith("Traceback")
    assert line["traceback"].endswith("ValueError: no")
