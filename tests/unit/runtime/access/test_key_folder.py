"""The keys in force follow their folder, and nothing that goes wrong with it opens the door."""

import logging
import shutil

import pytest

from modelyard_api.meta import Reason
from modelyard_cli.key import hash_key
from modelyard_runtime.access.key_folder import open_keys
from modelyard_runtime.errors import CannotStart
from tests.support.mounted_secret import MountedSecret, hashes


def owner_of(folder, key):
    return folder.find_owner([(b"authorization", f"Bearer {key}".encode())])


@pytest.fixture
def secret(tmp_path):
    return MountedSecret(tmp_path / "keys", {"alice": hashes("a"), "bob": hashes("b")})


CHANGES = [
    pytest.param({"alice": hashes("a")}, ("alice", None), id="an owner is removed"),
    pytest.param({"alice": hashes("new"), "bob": hashes("b")}, (None, "bob"), id="a key changes"),
    pytest.param({"alice": "", "bob": hashes("b")}, (None, "bob"), id="an entry is emptied"),
    pytest.param({"alice": "?", "bob": hashes("b")}, (None, "bob"), id="an entry is broken"),
    pytest.param({"carl": hashes("a"), "bob": hashes("b")}, ("carl", "bob"), id="a new owner"),
    pytest.param({}, (None, None), id="all are removed"),
]


@pytest.mark.parametrize(("entries", "owners"), CHANGES)
def test_a_change_is_seen_at_the_next_look(entries, owners, secret):
    folder = open_keys(secret.path)
    assert (owner_of(folder, "a"), owner_of(folder, "b")) == ("alice", "bob")
    secret.update(entries)
    folder.look()
    assert (owner_of(folder, "a"), owner_of(folder, "b")) == owners


def test_a_folder_of_plain_files_is_followed_as_well(tmp_path):
    (tmp_path / "alice").write_text(hash_key("a"))
    folder = open_keys(tmp_path)
    (tmp_path / "alice").write_text(hash_key("b"))
    folder.look()
    assert (owner_of(folder, "a"), owner_of(folder, "b")) == (None, "alice")


def test_a_folder_that_goes_away_closes_the_door_until_it_is_back(secret, caplog):
    folder = open_keys(secret.path)
    moved = secret.path.rename(secret.path.with_name("moved"))
    folder.look()
    assert owner_of(folder, "a") is None
    told = [(r.getMessage(), r.explanation) for r in caplog.records if r.levelno > logging.INFO]
    assert told == [
        ("key_ignored", "the folder cannot be read: No such file or directory"),
        ("no_key_in_force", "every request is refused"),
    ]
    moved.rename(secret.path)
    folder.look()
    assert owner_of(folder, "a") == "alice"


def test_what_is_wrong_is_logged_once_by_its_owners_name(secret, caplog):
    caplog.set_level(logging.INFO)
    secret.update({"alice": "my-secret-key", "bob": hashes("b")})
    folder = open_keys(secret.path)
    for _ in range(3):
        folder.look()
    lines = [(record.getMessage(), getattr(record, "owner", "")) for record in caplog.records]
    assert lines == [("key_ignored", "alice"), ("keys_in_force", "")]
    assert "my-secret-key" not in caplog.text


MISSING = (
    "the Secret that spec.access.keysSecretRef names does not exist in this namespace, or is empty"
)
NO_DIGEST = "line 1 is not the 64 hexadecimal digits of a SHA-256"
NO_KEYS = [
    pytest.param({}, f": {MISSING}", id="no Secret, which the kubelet mounts as an empty folder"),
    pytest.param(
        {"alice": "a key", "bob": ""},
        f" (alice: {NO_DIGEST}; bob: this is empty)",
        id="entries without a key",
    ),
]


@pytest.mark.parametrize(("entries", "message"), NO_KEYS)
def test_without_any_key_it_does_not_start(entries, message, tmp_path):
    secret = MountedSecret(tmp_path / "keys", entries)
    with pytest.raises(CannotStart) as caught:
        open_keys(secret.path)
    assert (caught.value.reason, caught.value.message) == (
        Reason.ACCESS_INVALID,
        f"There is no API key in {secret.path}{message}",
    )
    assert caught.value.hint.startswith("`modelyard key` makes a key and its hash")


def test_without_the_folder_it_does_not_start(secret):
    shutil.rmtree(secret.path)
    with pytest.raises(CannotStart, match="the folder cannot be read: No such file or directory"):
        open_keys(secret.path)
