"""A block that does not end is ended."""

import re
import signal

import pytest
from jsonpath import JSONPathEnvironment

from modelyard_runtime.time_limit import time_limit

#: Doubles its work with each letter: far more than any test may take.
EVIL = "(a+)+$"
LETTERS = "a" * 60 + "b"


def search_by_python():
    re.search(EVIL, LETTERS)


def search_by_json_path():
    query = JSONPathEnvironment(strict=True).compile(f"$[?search(@, '(a|a|aa)+{EVIL}')]")
    list(query.finditer([LETTERS]))


@pytest.mark.parametrize("search", [search_by_python, search_by_json_path])
def test_an_endless_search_is_ended(search):
    with pytest.raises(TimeoutError), time_limit(0.2):
        search()


def test_what_was_there_before_is_there_afterwards():
    handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    with time_limit(60):
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == pytest.approx(timer[0], abs=5)
