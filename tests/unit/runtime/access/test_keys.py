"""Which keys a folder holds, and whose a presented one is."""

import os

import pytest

from modelyard_cli.key import hash_key
from modelyard_runtime.access import keys
from modelyard_runtime.access.keys import Flaw, Key, KeyRing, read_keys
from tests.support.mounted_secret import MountedSecret, hashes


def digest_of(key):
    return bytes.fromhex(hash_key(key))


def key_of(owner, key):
    return Key(owner, digest_of(key))


NO_DIGEST = "is not the 64 hexadecimal digits of a SHA-256"
ENTRIES = [
    pytest.param({}, (), (), id="nothing"),
    pytest.param(
        {"alice": hash_key("a"), "bob": hashes("b1", "b2")},
        (key_of("alice", "a"), key_of("bob", "b1"), key_of("bob", "b2")),
        (),
        id="one key, with no line's end, and two",
    ),
    pytest.param(
        {"alice": f"\r\n {hash_key('a').upper()} \r\n\n"},
        (key_of("alice", "a"),),
        (),
        id="upper case, spaces, empty lines and Windows' line ends",
    ),
    pytest.param(
        {"alice": hash_key("a") + "\nmdl_a-key-itself\n", "bob": hash_key("b")},
        (key_of("alice", "a"), key_of("bob", "b")),
        (Flaw("alice", f"line 2 {NO_DIGEST}"),),
        id="a line that is none leaves the others in force, and is not shown",
    ),
    pytest.param(
        {"alice": hash_key("a")[:-1], "bob": hash_key("b") + "0", "eve": "\x00" * 64},
        (),
        tuple(Flaw(owner, f"line 1 {NO_DIGEST}") for owner in ("alice", "bob", "eve")),
        id="too short, too long, and NUL",
    ),
    pytest.param(
        {"alice": "", "bob": " \n\n", "eve": b"\xff\xfe" + hash_key("e").encode()},
        (),
        (
            Flaw("alice", "this is empty"),
            Flaw("bob", "this is empty"),
            Flaw("eve", f"line 1 {NO_DIGEST}"),
        ),
        id="empty, blank, and no text",
    ),
    pytest.param(
        {"alice": hashes("a") * 300, "bob": hash_key("b")},
        (key_of("bob", "b"),),
        (Flaw("alice", "this is larger than 16384 bytes"),),
        id="too large",
    ),
    pytest.param(
        {"alice": hashes("shared", "shared"), "bob": hashes("shared", "b")},
        (key_of("alice", "shared"), key_of("bob", "b")),
        (Flaw("bob", "this has a key of alice"),),
        id="the same key twice is the first one's",
    ),
]


@pytest.mark.parametrize(("entries", "found", "flaws"), ENTRIES)
def test_each_entry_is_judged_alone(entries, found, flaws, tmp_path):
    secret = MountedSecret(tmp_path / "keys", entries)
    assert read_keys(secret.path) == KeyRing(found, flaws)


def test_what_is_no_entry_of_a_secret_is_told(tmp_path):
    (tmp_path / "alice").write_text(hash_key("a"))
    (tmp_path / "bob~").write_text(hash_key("b"))
    (tmp_path / "x\n{}").write_text(hash_key("x"))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "removed").symlink_to("nowhere")
    (tmp_path / ".hidden").write_text(hash_key("h"))
    no_name = "this is no owner's name (letters, digits, . _ -)"
    assert read_keys(tmp_path) == KeyRing(
        (key_of(".hidden", "h"), key_of("alice", "a")),
        (
            Flaw("'bob~'", no_name),
            Flaw("folder", "this is no file"),
            Flaw("pipe", "this is no file"),
            Flaw("'x\\n{}'", no_name),
        ),
    )


def test_there_is_a_limit_to_the_keys_and_who_is_beyond_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "MAX_KEYS", 2)
    secret = MountedSecret(
        tmp_path / "keys", {"a": hashes("1"), "b": hashes("2", "3"), "c": hashes("4")}
    )
    assert read_keys(secret.path) == KeyRing(
        (key_of("a", "1"), key_of("b", "2")),
        (Flaw("b", "there are more than 2 keys"), Flaw("c", "there are more than 2 keys")),
    )


RING = KeyRing((key_of("alice", "a"), key_of("bob", "b"), key_of("bob", "b2")))


@pytest.mark.parametrize(
    ("presented", "owner"),
    [(b"a", "alice"), (b"b", "bob"), (b"b2", "bob"), (b"c", None), (b"A", None), (b"", None)],
)
def test_a_key_is_its_owners(presented, owner):
    assert RING.find_owner(presented) == owner


def test_a_hash_is_no_key():
    assert RING.find_owner(hash_key("a").encode()) is None


@pytest.mark.parametrize("presented", [b"a", b"b2", b"nobody's"])
def test_every_digest_is_compared_whichever_fits(presented):
    compared = []

    def compare(ours, theirs):
        compared.append(ours)
        return ours == theirs

    RING.find_owner(presented, compare)
    assert compared == [key.digest for key in RING.keys]


def test_what_is_printed_of_a_key_is_not_its_digest():
    assert repr(key_of("alice", "a")) == "Key(owner='alice')"
