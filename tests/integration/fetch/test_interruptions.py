"""What ends early goes on where it stopped."""

import signal
import time

import pytest

from tests.support.fetch_process import run, started
from tests.support.waiting import wait_for

WEIGHTS = "model.safetensors"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)], ids=["SIGKILL", "SIGTERM"]
)
def test_a_process_that_was_ended_in_the_middle_is_resumed_by_the_next(scene, number, code):
    partial = scene.place.volume / "incoming" / WEIGHTS
    scene.hub.fail(WEIGHTS, at="storage", bytes_per_second=20_000)
    with started(scene.config(), room=scene.room) as fetch:
        wait_for(
            lambda: partial.exists() and partial.stat().st_size > 20_000,
            what="a part of the weights is on the volume",
            seconds=60,
        )
        asked = time.monotonic()
        fetch.process.send_signal(number)
        assert fetch.ends().code == code
        # A pod is given half a minute.
        assert time.monotonic() - asked < 20
    kept = partial.stat().st_size
    assert not scene.place.model.exists()
    scene.hub.faults.clear()
    scene.hub.requests.clear()
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert [(one.range, one.sent_bytes) for one in scene.hub.bodies(WEIGHTS)] == [
        (f"bytes={kept}-", len(scene.tiny.content(WEIGHTS)) - kept)
    ]
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.tiny.content(WEIGHTS)


def test_two_processes_on_one_volume_fetch_once(scene):
    scene.hub.fail(WEIGHTS, at="storage", bytes_per_second=600_000)
    with (
        started(scene.config(), room=scene.room) as first,
        started(scene.config(), room=scene.room) as second,
    ):
        outcomes = [first.ends(), second.ends()]
    assert [outcome.code for outcome in outcomes] == [0, 0], [one.log for one in outcomes]
    assert len(scene.hub.bodies(WEIGHTS)) == 1
    assert sorted(outcome.report.download.bytes > 0 for outcome in outcomes) == [False, True]
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.tiny.content(WEIGHTS)


def test_while_it_downloads_it_says_how_far_it_is(scene):
    # Twice as long as until it first says something.
    scene.hub.fail(WEIGHTS, at="storage", bytes_per_second=100_000)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    told = outcome.events("downloading")
    assert told, outcome.log
    total = len(scene.tiny.content(WEIGHTS)) + len(scene.tiny.content("config.json"))
    line = told[0]
    assert line["total_bytes"] == total
    assert 0 < line["bytes"] < total
    assert 0 < line["megabytes_per_second"] < 1
    assert line["eta_seconds"] >= 0
