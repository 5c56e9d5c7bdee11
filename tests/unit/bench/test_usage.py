"""CPU time and memory, from /proc."""

import os

import pytest

from bench.usage import Usage, parse_cpu_seconds, parse_peak_mib, read_usage, spent_ms_per_object

STAT = "42 (a (strange) name) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 9 9 20 0 1 0 100 0 0"


def test_cpu_time_is_user_and_system_time_whatever_the_name():
    assert parse_cpu_seconds(STAT, ticks_per_second=100) == 3.0


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n", 2.0, id="the peak"),
        pytest.param("Name:\tkthreadd\n", 0.0, id="a kernel thread has none"),
    ],
)
def test_memory_is_the_peak(status, expected):
    assert parse_peak_mib(status) == expected


def test_this_process_can_be_read():
    assert read_usage(os.getpid()).peak_mib > 1


def test_time_spent_is_per_object_and_of_those_that_were_there_before():
    before = {"operator": Usage(1.0, 50.0)}
    after = {"operator": Usage(1.5, 60.0), "newcomer": Usage(9.0, 9.0)}
    assert spent_ms_per_object(before, after, 10) == {"operator": 50.0}
