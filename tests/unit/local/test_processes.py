"""Processes that outlive us, with real ones."""

import dataclasses
import time

import pytest

from modelyard_local import processes
from tests.support.waiting import wait_for


@pytest.fixture
def sleeper(tmp_path):
    process = processes.start("sleeper", ["sleep", "60"], log=tmp_path / "log")
    yield process
    processes.end([process], grace_seconds=0)


def test_a_process_is_alive_until_it_is_ended(sleeper):
    assert processes.is_alive(sleeper)
    processes.end([sleeper], grace_seconds=5)
    assert not processes.is_alive(sleeper)


def test_a_later_process_with_the_same_pid_is_not_signalled(sleeper):
    earlier = dataclasses.replace(sleeper, started=sleeper.started - 1)
    processes.end([earlier], grace_seconds=0)
    assert processes.is_alive(sleeper)


def test_a_process_that_does_not_listen_is_ended_by_force(tmp_path):
    log = tmp_path / "log"
    deaf = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
    process = processes.start("deaf", deaf, log=log)
    wait_for(lambda: log.read_text() == "deaf\n", what="deafness", seconds=60)
    began = time.monotonic()
    processes.end([process], grace_seconds=0.3)
    assert not processes.is_alive(process)
    assert time.monotonic() - began >= 0.3


def test_output_goes_to_the_log(tmp_path):
    log = tmp_path / "logs/x.log"
    talker = ["sh", "-c", "echo said; echo wrong >&2; sleep 60"]
    process = processes.start("talker", talker, log=log)
    try:
        wait_for(lambda: log.read_text() == "said\nwrong\n", what="both lines", seconds=60)
    finally:
        processes.end([process], grace_seconds=0)
