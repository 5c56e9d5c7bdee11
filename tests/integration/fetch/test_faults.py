"""What the network and the hub do to a download, and what becomes of it."""

import socket

import pytest

from tests.support.fetch_process import run

WEIGHTS = "model.safetensors"
HALF = 300_000

UNREACHABLE_HINT = (
    "Check that pods of this namespace reach that host (DNS, NetworkPolicies, proxy), or have the "
    "policy name a mirror that they reach."
)
CORRUPT_HINT = (
    "Something on the way here changes the file, or the copy there is damaged: check "
    "proxies and mirrors, or choose another revision."
)

PASSING = [
    pytest.param(
        [{"at": "storage", "cut_after": HALF}],
        [("", HALF), (f"bytes={HALF}-", HALF)],
        id="a connection that breaks is resumed",
    ),
    pytest.param(
        [
            {"at": "storage", "cut_after": HALF},
            {"at": "storage", "ignores_range": True},
        ],
        [("", HALF), (f"bytes={HALF}-", 2 * HALF)],
        id="a server that gives no parts is asked for the whole",
    ),
    pytest.param(
        [{"at": "hub", "status": 503, "times": 2}, {"at": "storage", "status": 403}],
        [("", 2 * HALF)],
        id="servers that fail, and an address that is too old, are asked again",
    ),
    pytest.param(
        [{"at": "hub", "says_nothing": True}],
        [("", 2 * HALF)],
        id="a connection that ends without an answer is made again",
    ),
    pytest.param(
        [{"at": "storage", "corrupt": True}],
        [("", 2 * HALF), ("", 2 * HALF)],
        id="a damaged file is fetched once more",
    ),
]


@pytest.mark.parametrize(("faults", "bodies"), PASSING)
def test_what_passes_is_overcome(scene, faults, bodies):
    for fault in faults:
        scene.hub.fail(WEIGHTS, **fault)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert [(one.range, one.sent_bytes) for one in scene.hub.bodies(WEIGHTS)] == bodies
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.tiny.content(WEIGHTS)


def test_a_hub_that_asks_to_be_left_alone_is(scene):
    scene.hub.fail("", status=429, headers={"Retry-After": "1"})
    limit = '"api";r=0;t=1'
    scene.hub.fail("config.json", status=429, headers={"RateLimit": limit})
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    told = [(one["explanation"], one["in_seconds"]) for one in outcome.events("trying_again")]
    assert (
        told == [(f"{scene.hub.host} answers 429: Something is wrong (too many requests)", 1.0)] * 2
    )


def test_a_hub_that_asks_for_a_long_rest_is_told_of_at_once(scene):
    scene.hub.fail("", status=429, headers={"Retry-After": "60"})
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "RateLimited",
        (
            f"acme/tiny at {scene.tiny.commit}: {scene.hub.host} answers 429: Something is wrong "
            "(too many requests), and wants 60 s of rest. The download goes on by itself, from "
            "where it stopped"
        ),
        (
            "Wait. Hubs let more requests through with a token (spec.model.secretRef), and a "
            "mirror (huggingFace.endpoint in the platform's policy) sets its own limits."
        ),
    )


@pytest.mark.parametrize(
    ("name", "kind", "at"),
    [(WEIGHTS, "SHA-256", "storage"), ("config.json", "git hash", "hub")],
    ids=["an LFS file", "a file in git"],
)
def test_a_file_that_is_damaged_twice_is_refused(scene, name, kind, at):
    scene.hub.fail(name, at=at, corrupt=True, times=100)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    reason, message, hint = outcome.error
    size = len(scene.tiny.content(name))
    assert (reason, hint) == ("ModelFileCorrupt", CORRUPT_HINT)
    assert message.startswith(f"{name} ({size} bytes) has the {kind} ")
    assert message.endswith("; it was fetched twice")
    assert not scene.place.model.exists()
    assert not (scene.place.volume / "incoming" / name).exists()


def test_a_hub_that_keeps_failing_is_given_up(scene):
    scene.hub.fail(WEIGHTS, at="hub", status=502, times=100)
    outcome = run(scene.config(patience_seconds=1), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "DownloadFailed",
        (
            f"{WEIGHTS}: {scene.hub.host} answers 502: Something is wrong. No progress for 1 s, "
            "so it was given up; what was fetched is kept"
        ),
        UNREACHABLE_HINT,
    )


def test_a_hub_that_is_not_there_is_named(scene):
    # Taken, so that nobody else comes to listen there, and not listened on.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        config = scene.config(endpoint=f"http://127.0.0.1:{port}", patience_seconds=1)
        outcome = run(config, room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "DownloadFailed",
        (
            f"acme/tiny at {scene.tiny.commit}: 127.0.0.1:{port}: [Errno 111] Connection refused "
            "(ConnectError). No progress for 1 s, so it was given up; what was fetched is kept"
        ),
        UNREACHABLE_HINT,
    )
