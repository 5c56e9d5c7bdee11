"""How `try` speaks to a model that asks for a key, or over TLS: a real server each time."""

import pytest

from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.asking import exchange
from modelyard_cli.plugin.entry import Entry, form_entry
from modelyard_cli.plugin.forwarding import Reach, Tunnel
from modelyard_cli.plugin.model import parse_model
from modelyard_cli.plugin.question import form_question
from modelyard_runtime.access.certificate import open_certificate
from modelyard_runtime.access.gate import Gate
from modelyard_runtime.access.key_folder import open_keys
from tests.support.certificates import make_authority
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.mounted_secret import MountedSecret, hashes
from tests.support.runtime_server import MODEL, running

KEY = "mdl_the-key-of-alice"


def model_at(url):
    metadata = {"name": "qwen", "namespace": "team", "uid": "u", "generation": 1}
    return parse_model(
        {"metadata": metadata, "spec": {"model": {"uri": "oci://x"}}, "status": {"url": url}}
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def gate(authority, tmp_path):
    keys = MountedSecret(tmp_path / "keys", {"alice": hashes(KEY)})
    tls = MountedSecret(tmp_path / "tls", authority.issue("qwen"))
    return Gate(open_keys(keys.path), open_certificate(tls.path))


async def nothing():
    """Nobody waits for the first word."""


async def converse(gate, **entry):
    question = form_question("text-generation", MODEL, "how are you", is_raw=False)
    async with running(FakeGenerationEngine(), gate=gate) as server:
        known = form_entry(model_at("https://qwen.team.svc"), **entry)
        tunnel = Tunnel(f"127.0.0.1:{server.port}")
        await exchange(tunnel, question, nothing, known, silence_seconds=10)


@pytest.mark.parametrize("verifies", [False, True], ids=["unverified", "verified by --ca"])
async def test_a_model_with_key_and_tls_answers(gate, authority, verifies, capsys):
    await converse(gate, key=KEY, authority=str(authority.path) if verifies else "")
    assert capsys.readouterr().out == "HOW ARE YOU\n"


@pytest.mark.parametrize("key", ["", "mdl_wrong"], ids=["no key", "a wrong key"])
async def test_without_a_key_in_force_it_is_told_where_to_put_one(gate, key):
    with pytest.raises(CommandFailed) as caught:
        await converse(gate, key=key, authority="")
    assert caught.value.message.startswith("the model answers 401: This needs an API key")
    assert caught.value.cure == (
        "Give a key that is in force: MODELYARD_API_KEY in the environment, or --key."
    )


async def test_a_certificate_of_another_authority_is_not_accepted(gate, tmp_path):
    other = make_authority(tmp_path)
    with pytest.raises(CommandFailed, match="the model's certificate is not accepted") as caught:
        await converse(gate, key=KEY, authority=str(other.path))
    assert caught.value.cure == "Is --ca of the authority that has signed it?"


@pytest.mark.parametrize(
    ("url", "port", "scheme"),
    [("http://qwen.team.svc", ":80", "http"), ("https://qwen.team.svc", ":443", "https")],
)
def test_the_models_url_says_which_way(url, port, scheme):
    entry = form_entry(model_at(url), key="", authority="")
    assert (entry.scheme, entry.headers) == (scheme, {})
    assert Reach().build_command("kubectl", "team", "qwen", entry.port)[-1] == port


@pytest.mark.parametrize("key", ["a b", "a\n", "é"])
def test_what_cannot_be_a_key_is_refused(key):
    with pytest.raises(CommandFailed, match="the API key has characters that no key has"):
        form_entry(model_at("http://qwen.team.svc"), key=key, authority="")


def test_a_file_without_certificates_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for path in (empty, tmp_path / "none"):
        with pytest.raises(CommandFailed, match="cannot be read") as caught:
            form_entry(model_at("https://qwen.team.svc"), key="", authority=str(path))
        assert caught.value.cure == "It is a file of certificates in PEM."


def test_what_is_printed_of_an_entry_has_no_key():
    assert KEY not in repr(Entry(key=KEY))
