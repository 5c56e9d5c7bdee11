"""The certificate that a new connection gets, by handshakes in memory."""

import hashlib
import logging
import ssl

import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.access.certificate import open_certificate
from modelyard_runtime.errors import CannotStart
from tests.support.certificates import encrypt_key, make_authority
from tests.support.mounted_secret import MountedSecret


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pairs(authority):
    return {name: authority.issue(name) for name in ("one", "two")}


@pytest.fixture
def secret(tmp_path, pairs):
    return MountedSecret(tmp_path / "tls", pairs["one"])


@pytest.fixture
def served(secret, authority):
    """The Secret, what is served of it, and what a client sees."""
    certificate = open_certificate(secret.path)
    return secret, certificate, lambda: shake_hands(certificate, authority)[0]


def shake_hands(certificate, authority, *, host="localhost", version=None):
    """Return the common name that a client sees, and the version that is spoken."""
    context = ssl.create_default_context(cafile=str(authority.path))
    context.check_hostname = host is not None
    if version is not None:
        context.minimum_version = context.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=host)
    server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    is_done = [False, False]
    while not all(is_done):
        for number, side in enumerate((client, server)):
            try:
                side.do_handshake()
                is_done[number] = True
            except ssl.SSLWantReadError:
                pass
    subject = dict(pair[0] for pair in client.getpeercert()["subject"])
    return subject["commonName"], client.version()


WAYS = [
    pytest.param({}, "TLSv1.3", id="as most do"),
    pytest.param({"version": ssl.TLSVersion.TLSv1_2}, "TLSv1.2", id="TLS 1.2"),
    pytest.param({"host": None}, "TLSv1.3", id="a client that names no server"),
    pytest.param(
        {"host": None, "version": ssl.TLSVersion.TLSv1_2},
        "TLSv1.2",
        id="TLS 1.2, and no server named",
    ),
]


@pytest.mark.parametrize(("way", "version"), WAYS)
def test_a_new_connection_gets_the_newest_certificate(way, version, secret, pairs, authority):
    certificate = open_certificate(secret.path)
    assert shake_hands(certificate, authority, **way) == ("one", version)
    secret.update(pairs["two"])
    certificate.look()
    assert shake_hands(certificate, authority, **way) == ("two", version)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_what_is_older_than_tls_1_2_is_refused(secret, authority):
    with pytest.raises(ssl.SSLError):
        shake_hands(open_certificate(secret.path), authority, version=ssl.TLSVersion.TLSv1_1)


def mixed(pairs):
    return {"tls.crt": pairs["one"]["tls.crt"], "tls.key": pairs["two"]["tls.key"]}


def encrypted(pairs):
    pair = pairs["one"]
    return {**pair, "tls.key": encrypt_key(pair["tls.key"])}


def without_key(pairs):
    return {"tls.crt": pairs["one"]["tls.crt"]}


def cut(pairs):
    pair = pairs["two"]
    return {**pair, "tls.crt": pair["tls.crt"][:200]}


def nothing(_pairs):
    return {}


NO_FILE = (
    "it has no {} (the Secret that spec.access.tlsSecretRef names does not exist in this "
    "namespace, or is of another type)"
)
BROKEN = [
    pytest.param(nothing, NO_FILE.format("tls.crt"), id="no Secret"),
    pytest.param(without_key, NO_FILE.format("tls.key"), id="no private key"),
    pytest.param(mixed, "tls.key is not the key of tls.crt", id="another certificate's key"),
    pytest.param(
        encrypted,
        "tls.crt and tls.key are no certificate and its plain key in PEM (",
        id="an encrypted key, for which nobody is asked on a terminal",
    ),
    pytest.param(
        cut, "tls.crt and tls.key are no certificate and its plain key in PEM (", id="half a file"
    ),
]


@pytest.mark.parametrize(("break_pair", "why"), BROKEN)
def test_a_broken_pair_does_not_start(break_pair, why, pairs, tmp_path):
    secret = MountedSecret(tmp_path / "tls", break_pair(pairs))
    with pytest.raises(CannotStart) as caught:
        open_certificate(secret.path)
    assert caught.value.reason is Reason.ACCESS_INVALID
    assert caught.value.message.startswith(
        f"There is no usable certificate in {secret.path}: {why}"
    )
    assert caught.value.hint.startswith("The Secret has the type kubernetes.io/tls")


@pytest.mark.parametrize(("break_pair", "why"), BROKEN)
def test_a_broken_pair_leaves_the_one_before(break_pair, why, served, pairs, caplog):
    secret, certificate, see = served
    secret.update(break_pair(pairs))
    for _ in range(3):
        certificate.look()
    assert see() == "one"
    (told,) = caplog.records
    assert (told.getMessage(), told.levelno) == ("certificate_refused", logging.ERROR)
    assert told.explanation.startswith(why)
    secret.update(pairs["two"])
    certificate.look()
    assert see() == "two"


def test_a_renewal_is_logged_with_the_fingerprint_that_clients_see(secret, pairs, caplog):
    caplog.set_level(logging.INFO)
    certificate = open_certificate(secret.path)
    secret.update(pairs["two"])
    certificate.look()
    (told,) = caplog.records
    der = ssl.PEM_cert_to_DER_cert(pairs["two"]["tls.crt"].decode())
    assert (told.getMessage(), told.sha256) == (
        "certificate_renewed",
        hashlib.sha256(der).hexdigest(),
    )
