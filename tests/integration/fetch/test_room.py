"""A volume that is too small, and a root file system that cannot be written to."""

import os

import pytest

from tests.support.fetch_process import run, started
from tests.support.small_volume import fill, small
from tests.support.waiting import wait_for

HINT = (
    "The download lies on the node's disk: free space there, add a node with a larger disk, or "
    "choose a smaller model or file."
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small volume needs root")


def test_a_volume_without_room_is_refused_before_the_download(scene):
    with small(scene.place.volume, 512):
        outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "NotEnoughDisk",
        (
            f"The model needs 586.0 KiB more on the volume at {scene.place.volume}, and 508.0 KiB "
            "are free"
        ),
        HINT,
    )
    assert scene.hub.bodies("model.safetensors") == []


def test_a_volume_that_becomes_full_is_told_alike(scene):
    scene.hub.fail("model.safetensors", at="storage", bytes_per_second=50_000)
    partial = scene.place.volume / "incoming" / "model.safetensors"
    with small(scene.place.volume, 800), started(scene.config(), room=scene.room) as fetch:
        wait_for(
            lambda: partial.exists() and partial.stat().st_size,
            what="the download has begun",
            seconds=60,
        )
        fill(scene.place.volume)
        outcome = fetch.ends()
    assert outcome.code == 78
    assert outcome.error == (
        "NotEnoughDisk",
        (
            f"The volume at {scene.place.volume} became full while the model was written: "
            "something else wrote there, too"
        ),
        HINT,
    )


def test_nothing_is_written_but_on_the_volume(scene):
    # A mount space of its own, in which everything but the volume and /proc is read-only.
    script = (
        "mount --make-rprivate / && for m in $(awk '{print $5}' /proc/self/mountinfo); do "
        'case "$m" in "$0"|/proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$m" || true;; '
        'esac; done 2>/dev/null; touch /tmp/written 2>/dev/null && exit 99; exec "$@"'
    )
    room = scene.place.root / "words"
    room.mkdir()
    with small(scene.place.volume, 4096):
        prefix = ("unshare", "--mount", "sh", "-c", script, str(scene.place.volume))
        outcome = run(scene.config(), room=room, prefix=prefix)
        assert outcome.code == 0, outcome.log
        assert (scene.place.model / "model.safetensors").read_bytes() == scene.tiny.content(
            "model.safetensors"
        )
