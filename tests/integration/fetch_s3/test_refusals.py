"""What a bucket refuses, in words that say what to do."""

import pytest

from modelyard_api.fetch import S3Settings
from tests.support.fetch_process import run

SECRET_HINT = (
    "The keys belong into a Secret that spec.model.secretRef names: kubectl create secret generic "
    "NAME --from-literal=host={host} --from-literal=accessKeyId=… --from-literal=secretAccessKey=…"
)
MAY = "Check that they are valid and may list the bucket and get its objects. " + SECRET_HINT

KEYS = [
    pytest.param(
        None,
        (
            "Unauthorized",
            (
                "S3 refuses {uri}: {host} answers 403 (AccessDenied): Access Denied. No keys were "
                "sent."
            ),
            "It is not open to everybody, or there is no such bucket. " + SECRET_HINT,
        ),
        id="no keys",
    ),
    pytest.param(
        {"secretAccessKey": "wr0ng"},
        (
            "Unauthorized",
            (
                "S3 refuses {uri}: {host} answers 403 (SignatureDoesNotMatch): The request "
                "signature we calculated does not match the signature you provided. Check your "
                "key and signing method. The Secret's keys were sent."
            ),
            MAY,
        ),
        id="a wrong secret key",
    ),
    pytest.param(
        {"accessKeyId": "stranger"},
        (
            "Unauthorized",
            (
                "S3 refuses {uri}: {host} answers 404 (XAdminUserNotFound): No user exists with "
                "the provided access key ID. The Secret's keys were sent."
            ),
            MAY,
        ),
        id="an id that nobody has",
    ),
    pytest.param(
        {"sessionToken": "expired"},
        (
            "Unauthorized",
            (
                "S3 refuses {uri}: {host} answers 400 (InvalidToken): The provided token is "
                "malformed or otherwise invalid. The Secret's keys were sent."
            ),
            MAY,
        ),
        id="a session that is none",
    ),
    pytest.param(
        {"region": "eu-west-1"},
        (
            "DownloadFailed",
            (
                "{uri} is not in the region eu-west-1: {host} answers 400 "
                "(AuthorizationHeaderMalformed): The authorization header is malformed; the "
                'region "eu-west-1" is wrong; expecting "us-east-1"'
            ),
            (
                "Name the bucket's region: key 'region' of the Secret, or policy.s3.region of the "
                "chart."
            ),
        ),
        id="another region",
    ),
]


@pytest.mark.parametrize(("keys", "expected"), KEYS)
def test_keys_that_do_not_open_the_bucket_are_told(scene, keys, expected):
    if keys is not None:
        scene.add_secret(**keys)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78, outcome.log
    assert outcome.error == tuple(
        text.format(uri=scene.uri, host=scene.proxy.host) for text in expected
    )
    assert "wr0ng" not in outcome.log
    assert [path.name for path in scene.place.volume.iterdir()] == ["lock"]


NOT_THERE = [
    pytest.param(
        "s3://no-such-bucket/tiny",
        (
            "ModelNotFound",
            (
                "There is no bucket for s3://no-such-bucket/tiny: {host} answers 404 "
                "(NoSuchBucket): The specified bucket does not exist"
            ),
            "Check spec.model.uri, and that the bucket is at {endpoint}.",
        ),
        id="a bucket",
    ),
    pytest.param(
        "s3://{bucket}/llm/tin",
        (
            "ModelNotFound",
            "There is nothing at s3://{bucket}/llm/tin ({endpoint})",
            "Correct spec.model.uri, s3://BUCKET/FOLDER; upper and lower case count.",
        ),
        id="a folder, though another one's name begins so",
    ),
    pytest.param(
        "s3://{bucket}/llm/tiny/q4.gguf",
        (
            "ModelNotFound",
            (
                "s3://{bucket} has no file or folder 'llm/tiny/q4.gguf'; it holds "
                "llm/tiny/config.json, llm/tiny/model.safetensors, llm/tiny/pytorch_model.bin"
            ),
            "Correct the path in spec.model.uri; upper and lower case count.",
        ),
        id="a file",
    ),
    pytest.param(
        "s3://{bucket}/llm",
        (
            "ModelNotFound",
            "s3://{bucket}/llm has its weights in folders: llm/tiny",
            "Name the folder in spec.model.uri, for example s3://{bucket}/llm/tiny.",
        ),
        id="weights, but a folder further down",
    ),
]


@pytest.mark.parametrize(("uri", "expected"), NOT_THERE)
def test_what_is_not_there_is_told(scene, uri, expected):
    scene.add_secret()
    names = {
        "bucket": scene.bucket,
        "host": scene.proxy.host,
        "endpoint": scene.proxy.endpoint,
    }
    outcome = run(scene.config(uri=uri.format(**names)), room=scene.room)
    assert outcome.code == 78, outcome.log
    assert outcome.error == tuple(text.format(**names) for text in expected)


def test_keys_for_another_host_are_refused_before_any_request(scene):
    scene.add_secret(host="s3.example.com")
    outcome = run(scene.config(), room=scene.room)
    assert (outcome.code, scene.proxy.requests) == (78, [])
    assert outcome.error == (
        "SecretHostMismatch",
        (
            "The Secret's keys are for s3.example.com, and the model would come from "
            f"{scene.proxy.host}; nothing was sent"
        ),
        (
            f"If the keys are meant for {scene.proxy.host}, say so in the Secret: its key 'host' "
            f"must be {scene.proxy.host}."
        ),
    )


def test_a_policy_may_keep_secrets_from_leading_elsewhere(scene):
    scene.add_secret(endpoint=scene.proxy.endpoint)
    settings = S3Settings(endpoint="https://s3.example.com", own_endpoints=False)
    outcome = run(scene.config(s3=settings), room=scene.room)
    assert (outcome.code, scene.proxy.requests) == (78, [])
    assert outcome.error == (
        "SecretHostMismatch",
        (
            f"The Secret leads to {scene.proxy.endpoint}, and the platform's policy keeps s3:// to "
            "https://s3.example.com; nothing was sent"
        ),
        (
            "Take the key 'endpoint' out of the Secret, or ask the platform's administrator for "
            "policy.s3.ownEndpoints."
        ),
    )


def test_a_revision_that_is_no_digest_is_refused(scene):
    outcome = run(scene.config(revision="main"), room=scene.room)
    assert (outcome.code, scene.proxy.requests) == (78, [])
    assert outcome.error == (
        "ConfigInvalid",
        "MODELYARD_FETCH: the revision 'main' is not a digest",
        (
            "The revision of a model in S3 is empty, for what is there, or the 64 hex digits that "
            "`fetch --resolve` prints."
        ),
    )


ODD_KEYS = [
    pytest.param("llm/tiny/../../../etc/cron.d/evil.json", None, id="it climbs"),
    pytest.param("/etc/cron.d/evil.json", "etc/cron.d/evil.json", id="it is absolute"),
    pytest.param("llm/tinyish/config.json", None, id="it was not asked for"),
    pytest.param("llm/tiny//vocab.txt", None, id="it has an empty part"),
    pytest.param("llm/tiny/a\\b.txt", None, id="it has a backslash"),
    pytest.param("llm/tiny/" + "y" * 300, None, id="it is longer than names of files"),
]


@pytest.mark.parametrize(("key", "told"), ODD_KEYS)
def test_a_list_with_a_name_that_leaves_the_folder_is_refused(scene, key, told):
    scene.add_secret()
    scene.proxy.odd_keys.append(key)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "ModelUnsafe",
        (
            f"The bucket lists a file with the name {(told or key)[:200]!r}, which could leave the "
            "model folder"
        ),
        "Check who writes to the bucket; remove or rename that object.",
    )
    assert [path.name for path in scene.place.volume.iterdir()] == ["lock"]


def test_a_bucket_whose_folder_was_forgotten_is_told(scene):
    scene.add_secret()
    scene.proxy.odd_keys += [f"logs/{number}" for number in range(20_001)]
    outcome = run(scene.config(uri=f"s3://{scene.bucket}"), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "ModelUnsupported",
        f"There are more than 20000 objects at s3://{scene.bucket}",
        "Name the model's own folder in spec.model.uri.",
    )
