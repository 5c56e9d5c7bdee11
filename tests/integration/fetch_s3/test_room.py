"""A volume that is too small for what a bucket holds."""

import os

import pytest

from tests.support.fetch_process import run, started
from tests.support.small_volume import fill, small
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small volume needs root")


def test_a_volume_without_room_is_refused_before_the_download(scene):
    scene.add_secret()
    with small(scene.place.volume, 512):
        outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error[:2] == (
        "NotEnoughDisk",
        (
            f"The model needs 586.0 KiB more on the volume at {scene.place.volume}, and 508.0 KiB "
            "are free"
        ),
    )
    assert scene.proxy.bodies("model.safetensors") == []


def test_a_volume_that_becomes_full_is_not_taken_for_a_fault_of_the_server(scene):
    scene.add_secret()
    scene.proxy.fail("model.safetensors", bytes_per_second=50_000)
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
    assert outcome.error[:2] == (
        "NotEnoughDisk",
        (
            f"The volume at {scene.place.volume} became full while the model was written: "
            "something else wrote there, too"
        ),
    )
