"""API keys and TLS, with Secrets that a real kubelet mounts and renews."""

import hashlib
import json
import ssl

import httpx
import pytest

from tests.support.certificates import make_authority
from tests.support.waiting import wait_for

#: The kubelet brings a changed Secret within its sync period and the age of its cache.
KUBELET_SECONDS = 180
BODY = {"text": "Lovely, I would come again."}


def put_keys(namespace, **keys):
    hashes = {owner: hashlib.sha256(key.encode()).hexdigest() for owner, key in keys.items()}
    namespace.put_secret("sentiment-keys", hashes)


@pytest.fixture
def guarded(namespace, model_images, tmp_path):
    """The sentiment model behind a key of Alice's and a certificate, and what asks it."""
    authority = make_authority(tmp_path)
    put_keys(namespace, alice="alices-key")
    pair = {name: pem.decode() for name, pem in authority.issue("sentiment").items()}
    namespace.put_secret("sentiment-tls", pair, kind="kubernetes.io/tls")
    access = {
        "keysSecretRef": {"name": "sentiment-keys"},
        "tlsSecretRef": {"name": "sentiment-tls"},
    }
    namespace.apply("sentiment", model_images["sentiment"], access=access)
    namespace.wait_ready("sentiment")
    address = namespace.get("service", "sentiment")["spec"]["clusterIP"]
    trust = ssl.create_default_context(cafile=authority.path)
    # The certificate is for names; from here the model is reached by the Service's address.
    trust.check_hostname = False
    with httpx.Client(base_url=f"https://{address}", verify=trust, timeout=60) as client:
        yield client


def ask(client, key=None):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return client.post("/predict", json=BODY, headers=headers)


def find_usage(namespace):
    log = namespace.kubectl("logs", "-l", "modelyard.dev/model=sentiment", "--tail=-1")
    lines = [json.loads(line) for line in log.splitlines() if '"event":"usage"' in line]
    return [(line["owner"], line["task"], line["status"]) for line in lines]


@pytest.mark.timeout(600)
def test_keys_are_asked_for_billed_and_taken_back_without_a_restart(namespace, guarded):
    assert namespace.status("sentiment")["url"] == f"https://sentiment.{namespace.name}.svc"
    assert [ask(guarded, key).status_code for key in (None, "bobs-key", "alices-key")] == [
        401,
        401,
        200,
    ]
    # A line is in the log when containerd has copied it there.
    wait_for(lambda: find_usage(namespace), what="the record of usage", seconds=60)
    assert find_usage(namespace) == [("alice", "text-classification", 200)]
    (before,) = namespace.list("pods")

    put_keys(namespace, bob="bobs-key")
    wait_for(
        lambda: ask(guarded, "alices-key").status_code == 401,
        what="the key that was taken back is refused",
        seconds=KUBELET_SECONDS,
    )
    assert ask(guarded, "bobs-key").json()["label"] == "positive"
    (after,) = namespace.list("pods")
    assert (after["metadata"]["uid"], after["status"]["containerStatuses"][0]["restartCount"]) == (
        before["metadata"]["uid"],
        0,
    )
