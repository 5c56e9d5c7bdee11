"""FetchConfig, as the operator writes it and the downloader reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_api import fetch
from modelyard_api.fetch import FetchConfig, HubSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URI = r"hf://[a-z]{1,9}/[a-z0-9]{1,9}(/[ -.0-\[\]-~é]{3,9}x){0,2}"


def test_a_config_travels_without_its_defaults_and_with_dollars_doubled():
    config = FetchConfig(uri="hf://acme/tiny/a$(HOME)", revision=COMMIT)
    assert fetch.encode_config(config) == (
        f'{{"revision":"{COMMIT}","uri":"hf://acme/tiny/a$$(HOME)"}}'
    )


def test_every_field_that_is_no_default_travels():
    config = FetchConfig(
        uri="hf://acme/tiny",
        endpoint="http://hub.example.com:8080/mirror/",
        destination="/data",
        secret_path="/secret",
        patience_seconds=20,
    )
    assert config.dump() == {
        "uri": "hf://acme/tiny",
        "endpoint": "http://hub.example.com:8080/mirror",
        "destination": "/data",
        "secretPath": "/secret",
        "patienceSeconds": 20,
    }


@given(
    st.builds(
        FetchConfig,
        uri=st.from_regex(URI, fullmatch=True),
        revision=st.sampled_from(["", "main", "v1/stable", COMMIT]),
        destination=st.text(),
        patience_seconds=st.integers(1, 3600),
    )
)
def test_a_config_survives_the_way_through_the_kubelet(config):
    text = fetch.encode_config(config).replace("$$", "$")
    assert fetch.decode_config(text) == config


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("hf://Qwen/Qwen2.5-0.5B", HubSource("Qwen/Qwen2.5-0.5B")),
        ("hf://acme/tiny/q4.gguf", HubSource("acme/tiny", "q4.gguf")),
        ("hf://acme/tiny/8 bit/größe", HubSource("acme/tiny", "8 bit/größe")),
    ],
)
def test_a_uri_names_repository_and_path(uri, source):
    assert fetch.parse_hub_uri(uri) == source


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "hf://",
        "hf://tiny",
        "hf://acme/",
        "hf://acme/tiny/",
        "hf://acme/tiny//q4.gguf",
        "hf://acme/tiny/../other",
        "hf://acme/tiny/a\\b",
        "hf://acme/tiny/a\nb",
        "hf://acme/tiny@main",
        "hf://-acme/tiny",
        "hf://acme/ti--ny",
        "hf://acme/tiny.",
        "hf://acme/tiny.git",
        "oci://registry.example.com/tiny",
        "https://huggingface.co/acme/tiny",
    ],
)
def test_what_is_no_uri_of_a_hub_is_refused(uri):
    with pytest.raises(ValueError, match="is not hf://ORG/NAME"):
        fetch.parse_hub_uri(uri)
    with pytest.raises(ValueError, match="FetchConfig"):
        FetchConfig(uri=uri)


@pytest.mark.parametrize(
    "fields",
    [
        {"revision": "-x"},
        {"revision": "a b"},
        {"endpoint": "huggingface.co"},
        {"endpoint": "ftp://huggingface.co"},
        {"endpoint": "https://user:password@huggingface.co"},
        {"endpoint": "https://huggingface.co?x=1"},
        {"endpoint": "https://huggingface.co:99999"},
        {"patience_seconds": 0},
        {"version": 2},
    ],
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValueError, match="FetchConfig"):
        FetchConfig(uri="hf://acme/tiny", **fields)


@pytest.mark.parametrize(
    ("revision", "expected"),
    [(COMMIT, True), ("main", False), (COMMIT[:39], False), (COMMIT.upper(), False), ("", False)],
)
def test_only_a_full_commit_is_one(revision, expected):
    assert fetch.is_commit(revision) is expected
