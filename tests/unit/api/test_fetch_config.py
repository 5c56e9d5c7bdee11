"""FetchConfig, as the operator writes it and the downloader reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_api import fetch
from modelyard_api.fetch import S3_SCHEME, FetchConfig, ModelSource, S3Settings
from modelyard_api.v1alpha1 import Format

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
        s3=S3Settings(endpoint="http://minio:9000/", region="r1", own_endpoints=False),
        format=Format.STATE_DICT,
        entrypoint="net:Net",
    )
    assert config.dump() == {
        "format": "state-dict",
        "entrypoint": "net:Net",
        "uri": "hf://acme/tiny",
        "endpoint": "http://hub.example.com:8080/mirror",
        "destination": "/data",
        "secretPath": "/secret",
        "patienceSeconds": 20,
        "s3": {"endpoint": "http://minio:9000", "region": "r1", "ownEndpoints": False},
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
        ("hf://Qwen/Qwen2.5-0.5B", ModelSource("Qwen/Qwen2.5-0.5B")),
        ("hf://acme/tiny/q4.gguf", ModelSource("acme/tiny", "q4.gguf")),
        ("hf://acme/tiny/8 bit/größe", ModelSource("acme/tiny", "8 bit/größe")),
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
    ("uri", "source"),
    [
        ("s3://models", ModelSource("models", "", S3_SCHEME)),
        ("s3://my.models-1/llm/qwen", ModelSource("my.models-1", "llm/qwen", S3_SCHEME)),
        ("s3://models/a=1/größe 2.gguf", ModelSource("models", "a=1/größe 2.gguf", S3_SCHEME)),
    ],
)
def test_a_uri_names_bucket_and_path(uri, source):
    assert fetch.parse_s3_uri(uri) == source
    assert FetchConfig(uri=uri).source == source


@pytest.mark.parametrize(
    "uri",
    [
        "s3://",
        "s3://ab",
        f"s3://{'a' * 64}",
        "s3://Models/qwen",
        "s3://-models/qwen",
        "s3://models-/qwen",
        "s3://models.io./qwen",
        "s3://mod..els/qwen",
        "s3://mod_els/qwen",
        "s3://10.0.0.7/qwen",
        "s3://minio:9000/models",
        "s3://key:secret@models/qwen",
        "s3://models/",
        "s3://models//qwen",
        "s3://models/qwen/../other",
        "s3://models/a\\b",
        "s3://models/a\nb",
    ],
)
def test_what_is_no_uri_of_a_bucket_is_refused(uri):
    with pytest.raises(ValueError, match="is not s3://BUCKET"):
        fetch.parse_s3_uri(uri)
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
        {"s3": {"endpoint": "minio:9000"}},
        {"s3": {"endpoint": "https://key:secret@minio"}},
        {"s3": {"region": "evil.example.com/"}},
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


@pytest.mark.parametrize(
    ("revision", "expected"),
    [("a1" * 32, True), ("A1" * 32, False), (COMMIT, False), ("", False), ("a1" * 33, False)],
)
def test_only_a_whole_digest_is_one(revision, expected):
    assert fetch.is_digest(revision) is expected
