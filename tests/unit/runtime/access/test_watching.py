"""Looks go on until they are ended, whatever one of them meets."""

import threading

from modelyard_runtime.access.watching import Watch

SOON = 10


def test_every_look_is_repeated_though_another_fails(caplog):
    seen = threading.Semaphore(0)

    def fail():
        raise ZeroDivisionError

    with Watch([fail, seen.release], every_seconds=0.001):
        assert all(seen.acquire(timeout=SOON) for _ in range(3))
    assert "look_failed" in {record.getMessage() for record in caplog.records}


def test_it_has_ended_when_it_is_left():
    seen = threading.Event()
    watch = Watch([seen.set], every_seconds=0.001)
    with watch:
        assert seen.wait(SOON)
    assert "access-watch" not in {thread.name for thread in threading.enumerate()}


def test_where_there_is_nothing_to_look_at_there_is_no_thread():
    with Watch([]):
        assert "access-watch" not in {thread.name for thread in threading.enumerate()}
