"""`modelyard key`: a key nobody guesses, and the hash by which the runtime knows it."""

import hashlib
import re

from modelyard_cli.__main__ import main
from modelyard_runtime.access.keys import read_keys


def make(capsys):
    assert main(["key"]) == 0
    found = re.fullmatch(
        r"key:  (mdl_[A-Za-z0-9_-]{43})\nhash: ([0-9a-f]{64})\n", capsys.readouterr().out
    )
    return found[1], found[2]


def test_the_hash_of_a_new_key_lets_it_in_and_no_other(tmp_path, capsys):
    key, digest = make(capsys)
    other, _ = make(capsys)
    (tmp_path / "alice").write_text(digest)
    ring = read_keys(tmp_path)
    assert [ring.find_owner(each.encode()) for each in (key, other, digest)] == [
        "alice",
        None,
        None,
    ]


def test_the_hash_is_what_sha256sum_prints(capsys):
    key, digest = make(capsys)
    assert hashlib.sha256(key.encode()).hexdigest() == digest
