"""s3://: a pod that downloads its model from a bucket, of a server that listens on the bridge."""

import pytest

from modelyard_api.fetch import is_digest
from modelyard_local.s3_server import REGION
from tests.support.s3_server import S3Server


@pytest.fixture
def bucket(installed, tiny, tmp_path):
    """A server with the tiny model in the folder `tiny` of a bucket."""
    with S3Server(tmp_path, address=installed.gateway_address) as server:
        server.upload(server.make_bucket("models"), "tiny", tiny)
        yield server


def put_keys(namespace, server, **changes):
    keys = {
        "endpoint": server.endpoint,
        "region": REGION,
        "accessKeyId": server.root.access_key_id,
        "secretAccessKey": server.root.secret_access_key,
    }
    namespace.put_secret("reader", {**keys, **changes})


def test_a_model_in_a_bucket_is_downloaded_and_served(namespace, bucket):
    put_keys(namespace, bucket)
    namespace.apply_model("tiny", uri="s3://models/tiny", secretRef={"name": "reader"})
    namespace.wait_ready("tiny")
    status = namespace.status("tiny")
    assert is_digest(status["model"]["resolvedRevision"])
    assert (status["task"], set(status["startup"]) >= {"download", "load"}) == (
        "text-generation",
        True,
    )


def test_keys_of_another_host_are_not_sent(namespace, bucket):
    put_keys(namespace, bucket, host="elsewhere.example.com")
    namespace.apply_model("tiny", uri="s3://models/tiny", secretRef={"name": "reader"})
    failure = namespace.wait_failure("tiny", "SecretHostMismatch")
    assert "elsewhere.example.com" in failure["message"]
