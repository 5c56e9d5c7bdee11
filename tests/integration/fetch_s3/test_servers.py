"""Servers that are busy, odd, strange or not there."""

import pytest

from modelyard_api.fetch import S3Settings
from tests.support.certificates import make_authority
from tests.support.fetch_process import run
from tests.support.s3_server import S3Server

WEIGHTS = "model.safetensors"


def test_a_server_without_etags_is_told(scene):
    scene.add_secret()
    scene.proxy.hides_etags = True
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "DownloadFailed",
        "The server lists 'llm/tiny/config.json' without an ETag",
        "A server must speak S3's API with ETags, which tell when an object has changed.",
    )


def test_a_server_that_gives_no_parts_is_asked_for_the_whole(scene):
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, cut_after=100_000)
    scene.proxy.fail(WEIGHTS, ignores_range=True)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert [one.range for one in scene.proxy.requests if one.path.endswith(WEIGHTS)] == [
        "",
        "bytes=100000-",
        "",
    ]
    assert (scene.place.model / WEIGHTS).read_bytes() == scene.content(WEIGHTS)


def test_a_server_that_is_busy_is_asked_again(scene):
    scene.add_secret()
    scene.proxy.fail("", status=503, code="SlowDown")
    scene.proxy.fail(WEIGHTS, status=500, code="InternalError")
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 0, outcome.log
    assert {line["explanation"] for line in outcome.events("trying_again")} == {
        f"{scene.proxy.host} answers 503 (SlowDown): As the test wants",
        f"{scene.proxy.host} answers 500 (InternalError): As the test wants",
    }


UNREACHABLE = [
    pytest.param("http://127.0.0.1:1", "Connection refused", id="nobody listens"),
    pytest.param("http://nowhere.invalid", "failed to lookup address", id="no such name"),
]


@pytest.mark.parametrize(("endpoint", "cause"), UNREACHABLE)
def test_a_host_that_is_not_reached_is_told(scene, endpoint, cause):
    settings = S3Settings(endpoint=endpoint)
    outcome = run(scene.config(s3=settings, patience_seconds=1), room=scene.room)
    assert outcome.code == 78
    reason, message, hint = outcome.error
    assert reason == "DownloadFailed"
    assert message.startswith(f"{scene.bucket}: {endpoint.removeprefix('http://')}: ")
    assert cause in message
    assert message.endswith("No progress for 1 s, so it was given up; what was fetched is kept")
    assert hint.startswith("Check that pods of this namespace reach that host")


def test_only_an_authority_that_is_trusted_is_talked_to(scene, tmp_path):
    authority = make_authority(tmp_path)
    with S3Server(tmp_path, authority.issue("localhost")) as server:
        scene.add_secret(endpoint=server.endpoint, host="")
        config = scene.config(uri="s3://none/tiny")
        strange = run(config, room=scene.room)
        trusted = run(config, room=scene.room, variables={"SSL_CERT_FILE": str(authority.path)})
    assert strange.code == 78
    assert strange.error == (
        "DownloadFailed",
        f"{server.host} shows a certificate that is not trusted here",
        (
            "A server with a certificate of its own needs a runtime image that trusts its "
            "authority (SSL_CERT_FILE)."
        ),
    )
    assert trusted.error[:2] == (
        "ModelNotFound",
        (
            f"There is no bucket for s3://none/tiny: {server.host} answers 404 (NoSuchBucket): "
            "The specified bucket does not exist"
        ),
    )


def test_a_redirect_to_another_host_carries_no_signature(scene):
    """It is followed, as S3 means it; what the keys sign is for the first host only."""
    scene.add_secret()
    scene.proxy.fail(WEIGHTS, location=scene.server.endpoint, times=10)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error[0] == "Unauthorized"
    assert "403 (AccessDenied)" in outcome.error[1]
