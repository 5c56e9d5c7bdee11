"""Text from pods: no secrets, nothing unprintable, not too long."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_operator.redaction import clean_message, clean_tail

SECRETS = {
    "an environment variable": ("HF_TOKEN=abcdefgh", "HF_TOKEN=***"),
    "JSON": ('{"api_key": "abcdefgh", "n": 1}', '{"api_key": "***", "n": 1}'),
    "a password": ("db-password: hunter22", "db-password: ***"),
    "a header": (
        "Authorization: Bearer abc.def-ghi_jkl",
        "Authorization: Bearer ***",
    ),
    "basic authentication": ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic ***"),
    "a URL with a password": ("GET https://me:s3cret@host/x", "GET https://me:***@host/x"),
    "a signed URL": (
        "s3.com/x?a=1&X-Amz-Signature=deadbeef&b=2",
        "s3.com/x?a=1&X-Amz-Signature=***&b=2",
    ),
    "a hub token by itself": ("got hf_0123456789abcdefghij", "got ***"),
    "a cloud key by itself": ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
    "a JWT by itself": ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2lnbmF0dXJl", "***"),
}


@pytest.mark.parametrize("sentence", SECRETS)
def test_secrets_are_masked(sentence):
    text, expected = SECRETS[sentence]
    assert clean_message(text, 1000) == expected


@pytest.mark.parametrize(
    "text",
    [
        "token-classification is not a task",
        "max_tokens=4096 temperature=0.7",
        "0/5 nodes are available: 5 Insufficient nvidia.com/gpu.",
        "failed to pull image registry.example.com:5000/models/qwen:2.5",
    ],
)
def test_ordinary_text_stays(text):
    assert clean_message(text, 1000) == text


def test_a_secret_at_the_cut_is_masked_before_the_cut():
    text = "x" * 95 + " hf_0123456789abcdefghij"
    assert "hf_" not in clean_message(text, 110)
    assert "456789" not in clean_tail(text, 15)


@given(st.text(), st.integers(2, 50))
def test_the_result_is_bounded_and_printable(text, limit):
    for clean in (clean_message, clean_tail):
        result = clean(text, limit)
        assert len(result) <= limit
        assert all(c in "\n\t" or unicodedata.category(c)[0] != "C" for c in result)


def test_a_message_is_one_line():
    assert clean_message("ValueError: \n no such\tthing ", 100) == "ValueError: no such thing"


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        pytest.param("torn line\nwhole line", "…\nwhole line", id="the rest of a line is left out"),
        pytest.param("x" * 999 + "\nend", "…" + "x" * 195 + "\nend", id="unless it is long"),
    ],
)
def test_a_tail_begins_with_a_whole_line(text, tail):
    limit = 16 if "torn" in text else 200
    assert clean_tail(text, limit) == tail
