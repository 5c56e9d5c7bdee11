"""What ends early goes on, and what changes under the download is noticed."""

import os
import signal
import time
from threading import Event

from tests.support.fetch_process import run, started
from tests.support.waiting import wait_for

WEIGHTS = "model.safetensors"
NEW = os.urandom(600_000)
#: Bytes a second: half a minute for the weights, of which no test waits for the end.
SLOWLY = 20_000


def begin(scene, fetch):
    """Wait until a part of the weights is on the volume."""
    partial = scene.place.volume / "incoming" / WEIGHTS
    wait_for(
        lambda: partial.exists() and partial.stat().st_size > SLOWLY,
        what="a part of the weights is on the volume",
        seconds=60,
        told=lambda: str(fetch.process.poll()),
    )
    return partial


def test_a_process_that_was_killed_is_resumed_by_the_next(scene):
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, bytes_per_second=SLOWLY)
    with started(scene.config(), room=scene.room) as fetch:
        partial = begin(scene, fetch)
        fetch.process.send_signal(signal.SIGKILL)
        assert fetch.ends().code == -signal.SIGKILL
    kept = partial.stat().st_size
    assert not scene.place.model.exists()
    scene.proxy.requests.clear()
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert [(one.range, one.sent_bytes) for one in scene.proxy.bodies(WEIGHTS)] == [
        (f"bytes={kept}-", len(scene.content(WEIGHTS)) - kept)
    ]
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.content(WEIGHTS)


def test_a_process_that_waits_for_a_list_ends_at_once_when_asked(scene):
    """It is inside of a library then, where Python handles no signal."""
    scene.add_secret()
    asked, answered = Event(), Event()
    scene.proxy.fail("", meanwhile=lambda: asked.set() or answered.wait(60))
    with started(scene.config(), room=scene.room) as fetch:
        try:
            assert asked.wait(60)
            begun = time.monotonic()
            fetch.process.send_signal(signal.SIGTERM)
            assert fetch.ends().code == 128 + signal.SIGTERM
            # A pod is given half a minute.
            assert time.monotonic() - begun < 20
        finally:
            answered.set()


def test_what_a_killed_process_left_of_another_content_is_not_used(scene):
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, bytes_per_second=SLOWLY)
    with started(scene.config(), room=scene.room) as fetch:
        begin(scene, fetch)
        fetch.process.kill()
        fetch.ends()
    scene.put(WEIGHTS, NEW)
    scene.proxy.requests.clear()
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert [one.range for one in scene.proxy.bodies(WEIGHTS)] == [""]
    assert (scene.place.model / WEIGHTS).read_bytes() == NEW


def test_a_connection_that_is_cut_goes_on_where_it_stopped(scene):
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, cut_after=200_000)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert [one.range for one in scene.proxy.bodies(WEIGHTS)] == ["", "bytes=200000-"]
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.content(WEIGHTS)


def test_an_object_that_changes_between_two_parts_of_it_is_fetched_from_a_new_list(scene):
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, cut_after=200_000, meanwhile=lambda: scene.put(WEIGHTS, NEW))
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert (scene.place.model / WEIGHTS).read_bytes() == NEW
    (told,) = outcome.events("listing_again")
    assert told["explanation"] == f"llm/tiny/{WEIGHTS} was replaced after it was listed"
    assert outcome.report.download.resolved_revision == told_digest(outcome)


def told_digest(outcome):
    return outcome.events("fetching")[-1]["revision"]


def test_an_object_that_is_removed_is_told_when_the_model_is_not_whole_without_it(scene):
    scene.add_secret()
    remove = scene.server.remove
    scene.proxy.fail(
        WEIGHTS, cut_after=9, meanwhile=lambda: remove(scene.bucket, f"llm/tiny/{WEIGHTS}")
    )
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    (told,) = outcome.events("listing_again")
    assert told["explanation"] == f"llm/tiny/{WEIGHTS} was removed after it was listed"
    assert outcome.error[0] == "ModelUnsupported"
    assert "are Python pickles only (llm/tiny/pytorch_model.bin)" in outcome.error[1]


def test_a_model_that_never_stands_still_is_given_up(scene):
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, status=412, code="PreconditionFailed", times=10)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert len(outcome.events("listing_again")) == 3
    assert outcome.error == (
        "DownloadFailed",
        (
            f"{scene.uri} keeps changing while it is fetched: llm/tiny/{WEIGHTS} was replaced "
            "after it was listed"
        ),
        (
            "Write a model to a place of its own that nobody changes, and name that place once it "
            "is complete."
        ),
    )


def test_others_on_their_way_end_when_one_has_changed(scene):
    """None of them may write into a folder that is being made anew."""
    scene.add_secret()
    scene.put("vocab.txt", b"x" * 400_000)
    scene.proxy.fail("vocab.txt", bytes_per_second=SLOWLY)

    def wait_for_vocabulary():
        wait_for(lambda: scene.proxy.bodies("vocab.txt"), what="it is on its way", seconds=60)

    scene.proxy.fail(WEIGHTS, status=412, code="PreconditionFailed", meanwhile=wait_for_vocabulary)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    ended, _ = scene.proxy.bodies("vocab.txt")
    assert ended.sent_bytes < 400_000
    assert (scene.place.model / "vocab.txt").read_bytes() == b"x" * 400_000
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.content(WEIGHTS)


def test_a_pinned_model_that_was_changed_is_refused_with_both_digests(scene):
    scene.add_secret()
    resolved = run(scene.config(), "--resolve", room=scene.room)
    before = resolved.report.download.resolved_revision
    scene.put("config.json", b'{"model_type": "qwen2"}')
    after = run(scene.config(), "--resolve", room=scene.room).report.download.resolved_revision
    assert after != before
    outcome = run(scene.config(revision=before), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "ModelNotFound",
        f"{scene.uri} is {after} now, and spec.model.revision asks for {before}",
        (
            "Somebody changed its objects. Put the old ones back, or set spec.model.revision to "
            "what is there now."
        ),
    )
    assert [path.name for path in scene.place.volume.iterdir()] == ["lock"]
