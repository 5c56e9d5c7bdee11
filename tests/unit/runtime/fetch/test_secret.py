"""The Secret, and which host its token is for."""

import pytest

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.secret import Secret, read_secret, require_host


def test_without_a_secret_there_is_none(tmp_path):
    assert read_secret(tmp_path / "secret") is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"token": "hf_x"}, Secret("hf_x", "huggingface.co")),
        ({"token": " hf_x\n", "host": "hub.example.com:8443\n"},
         Secret("hf_x", "hub.example.com:8443")),
        ({"token": "hf_x", "host": ""}, Secret("hf_x", "huggingface.co")),
    ],
    ids=["a token alone", "white space around", "an empty host"],
)  # fmt: skip
def test_keys_are_read(tmp_path, keys, expected):
    for key, value in keys.items():
        (tmp_path / key).write_text(value)
    secret = read_secret(tmp_path)
    assert secret == expected
    assert "hf_x" not in repr(secret)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "^The Secret .* does not exist in this namespace, or is empty$"),
        (b" \n", "is missing or empty"),
        (b"hf_x y", "has characters that no token has"),
        ("hf_ü".encode(), "has characters that no token has"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_is_no_token_is_refused_without_telling_it(tmp_path, content, problem):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(CannotStart, match=problem) as caught:
        read_secret(tmp_path)
    assert caught.value.reason == "Unauthorized"
    assert "hf_" not in caught.value.message


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("huggingface.co", "https://huggingface.co"),
        ("HuggingFace.co", "https://huggingface.co:443"),
        ("hub.example.com:8080", "http://hub.example.com:8080/mirror"),
        ("hub.example.com", "http://hub.example.com"),
        ("[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_token_is_for_its_host(host, endpoint):
    require_host(Secret("hf_x", host), endpoint)


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("huggingface.co", "https://evil.example.com"),
        ("huggingface.co", "https://huggingface.co.evil.example.com"),
        ("huggingface.co", "https://cdn.huggingface.co"),
        ("huggingface.co", "https://huggingface.co:8443"),
        ("huggingface.co:443", "http://huggingface.co"),
        ("hub.example.com:x", "https://hub.example.com"),
        ("https://huggingface.co", "https://huggingface.co"),
    ],
)
def test_a_token_is_for_no_other_host(host, endpoint):
    with pytest.raises(CannotStart, match="nothing was sent") as caught:
        require_host(Secret("hf_x", host), endpoint)
    assert caught.value.reason == "SecretHostMismatch"
    assert "hf_x" not in caught.value.message + caught.value.hint


def test_a_secret_of_other_keys_is_told(tmp_path):
    (tmp_path / "password").write_text("x")
    with pytest.raises(CannotStart, match=r"The key 'token' of the Secret .* is missing or empty"):
        read_secret(tmp_path)


def test_a_secret_that_is_not_there_is_told_apart_from_one_without_a_token(tmp_path):
    """The kubelet mounts an optional Secret that is missing as nothing but its own links."""
    (tmp_path / "..2026_11_22_10_00_00.1").mkdir()
    (tmp_path / "..data").symlink_to("..2026_11_22_10_00_00.1")
    with pytest.raises(CannotStart, match="does not exist in this namespace"):
        read_secret(tmp_path)
