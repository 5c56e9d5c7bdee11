"""The Secret of a model in S3, and where it leads."""

import pytest

from modelyard_api.fetch import S3Settings
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.s3_secret import (
    S3Address,
    S3Keys,
    S3Secret,
    find_address,
    read_s3_secret,
)

KEYS = S3Keys("AKIAEXAMPLE", "hush/hush+hush", "")
PAIR = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "hush/hush+hush"}


def write(folder, keys):
    for key, value in keys.items():
        (folder / key).write_text(value)


def test_without_a_secret_there_is_none(tmp_path):
    assert read_s3_secret(tmp_path / "secret") is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, S3Secret(KEYS)),
        (
            {
                "secretAccessKey": " hush/hush+hush\n",
                "sessionToken": "FwoG//x==\n",
                "host": "s3.example.com\n",
                "endpoint": "http://minio.storage.svc:9000/",
                "region": "eu-central-1",
            },
            S3Secret(
                S3Keys("AKIAEXAMPLE", "hush/hush+hush", "FwoG//x=="),
                "s3.example.com",
                "http://minio.storage.svc:9000",
                "eu-central-1",
            ),
        ),
    ],
    ids=["two keys", "every key, with white space around"],
)
def test_keys_are_read_and_not_shown(tmp_path, keys, expected):
    write(tmp_path, PAIR | keys)
    secret = read_s3_secret(tmp_path)
    assert secret == expected
    assert "hush" not in repr(secret)
    assert "FwoG" not in repr(secret)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (None, "does not exist in this namespace, or is empty"),
        ({"accessKeyId": ""}, "'accessKeyId' of the Secret .* is missing or empty"),
        ({"secretAccessKey": ""}, "'secretAccessKey' of the Secret .* is missing or empty"),
        ({"secretAccessKey": "hush hush"}, "'secretAccessKey' .* has characters that no key has"),
        ({"sessionToken": "hüsh"}, "'sessionToken' .* has characters that no key has"),
        ({"endpoint": "minio:9000"}, "'minio:9000' is not http"),
        ({"region": "Frankfurt"}, "'Frankfurt' is no region"),
    ],
)
def test_what_is_no_secret_of_this_kind_is_refused_without_telling_it(tmp_path, keys, problem):
    if keys is not None:
        write(tmp_path, PAIR | keys)
    with pytest.raises(CannotStart, match=problem) as caught:
        read_s3_secret(tmp_path)
    assert caught.value.reason == "Unauthorized"
    assert "hush" not in caught.value.message


AWS = "https://s3.us-east-1.amazonaws.com"
OWN = S3Settings(endpoint="https://s3.example.com:9000", region="r1")

ADDRESSES = [
    pytest.param(None, S3Settings(), S3Address(AWS, "us-east-1"), id="nothing is AWS, unsigned"),
    pytest.param(
        None,
        S3Settings(region="cn-north-1"),
        S3Address("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        id="AWS in China has a domain of its own",
    ),
    pytest.param(
        None, OWN, S3Address("https://s3.example.com:9000", "r1"), id="what the policy says"
    ),
    pytest.param(
        S3Secret(KEYS), S3Settings(), S3Address(AWS, "us-east-1", KEYS), id="keys alone are AWS's"
    ),
    pytest.param(
        S3Secret(KEYS, region="eu-north-1"),
        S3Settings(region="us-west-2"),
        S3Address("https://s3.eu-north-1.amazonaws.com", "eu-north-1", KEYS),
        id="the Secret's region comes first",
    ),
    pytest.param(
        S3Secret(KEYS, host="s3.example.com:9000"),
        OWN,
        S3Address("https://s3.example.com:9000", "r1", KEYS),
        id="keys for the policy's server",
    ),
    pytest.param(
        S3Secret(KEYS, endpoint="http://minio:9000"),
        OWN,
        S3Address("http://minio:9000", "r1", KEYS),
        id="a server of the Secret's own, which is word enough",
    ),
    pytest.param(
        S3Secret(KEYS, host="minio", endpoint="http://minio:80"),
        S3Settings(),
        S3Address("http://minio:80", "us-east-1", KEYS),
        id="the port that a scheme has",
    ),
    pytest.param(
        S3Secret(KEYS, endpoint="https://s3.example.com:9000"),
        OWN.model_copy(update={"own_endpoints": False}),
        S3Address("https://s3.example.com:9000", "r1", KEYS),
        id="the policy's server, which the Secret only repeats",
    ),
]


@pytest.mark.parametrize(("secret", "settings", "expected"), ADDRESSES)
def test_it_leads_there(secret, settings, expected):
    assert find_address(secret, settings) == expected


ELSEWHERE = [
    pytest.param(S3Secret(KEYS), OWN, "are for s3.r1.amazonaws.com", id="keys of AWS"),
    pytest.param(S3Secret(KEYS, host="s3.example.com"), OWN, "are for s3.example.com", id="a port"),
    pytest.param(
        S3Secret(KEYS, host="minio", endpoint="https://evil.example.com"),
        S3Settings(),
        "are for minio, and the model would come from evil.example.com",
        id="an endpoint that the host contradicts",
    ),
    pytest.param(
        S3Secret(KEYS, endpoint="http://minio:9000"),
        OWN.model_copy(update={"own_endpoints": False}),
        "the platform's policy keeps s3:// to https://s3.example.com:9000",
        id="a server of one's own, which the policy forbids",
    ),
    pytest.param(
        S3Secret(KEYS, endpoint="http://minio:9000"),
        S3Settings(own_endpoints=False),
        f"keeps s3:// to {AWS}",
        id="a server of one's own, where the policy wants AWS",
    ),
]


@pytest.mark.parametrize(("secret", "settings", "problem"), ELSEWHERE)
def test_it_leads_nowhere_else(secret, settings, problem):
    with pytest.raises(CannotStart) as caught:
        find_address(secret, settings)
    assert caught.value.reason == "SecretHostMismatch"
    assert problem in caught.value.message
    assert "nothing was sent" in caught.value.message
