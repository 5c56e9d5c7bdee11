"""One file on its way, against answers of every kind."""

import hashlib
from contextlib import contextmanager

import pytest

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import Damaged, Transient
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.patience import Patience
from modelyard_runtime.fetch.progress import Meter
from modelyard_runtime.fetch.transfer import Body, fetch_file

CONTENT = b"0123456789"
FILE = RemoteFile("a/b.safetensors", 10, sha256=hashlib.sha256(CONTENT).hexdigest())


class Answers:
    """Gives one scripted answer after the other, and remembers what was asked for."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.offsets = []

    @contextmanager
    def open_body(self, file, offset):
        self.offsets.append(offset)
        start, chunks = self._answers.pop(0)
        yield Body(start, self._read(chunks))

    @staticmethod
    def _read(chunks):
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def fetch(tmp_path, answers, file=FILE, *, seconds=60):
    now = iter(range(1000))
    patience = Patience(seconds, now=lambda: next(now), sleep=lambda _: None)
    path = tmp_path / file.name
    meter = Meter(file.size, patience.renew)
    fetch_file(file, path, answers.open_body, patience, meter)
    return path.read_bytes(), meter.received_bytes


def leave(tmp_path, content):
    path = tmp_path / FILE.name
    path.parent.mkdir()
    path.write_bytes(content)


CUT = Transient("cut")

GOOD = [
    pytest.param(b"", [(0, [b"01234", b"56789"])], [0], 10, id="in one go"),
    pytest.param(b"0123", [(4, [b"456789"])], [4], 6, id="from where it stopped"),
    pytest.param(b"0123456789", [], [], 0, id="it was all there"),
    pytest.param(b"0123", [(0, [CONTENT])], [4], 10, id="the whole, though a part was asked for"),
    pytest.param(b"", [(0, [b"012", CUT]), (3, [b"3456789"])], [0, 3], 10, id="cut and resumed"),
    pytest.param(b"", [(0, [b"012"]), (3, [b"3456789"])], [0, 3], 10, id="ended without a word"),
    pytest.param(b"0123456789ab", [(0, [CONTENT])], [0], 10, id="too much was there"),
    pytest.param(b"abcd", [(4, [b"456789"]), (0, [CONTENT])], [4, 0], 16, id="another start"),
    pytest.param(b"", [(0, [b"0123456789a"]), (0, [CONTENT])], [0, 0], 10, id="too much came"),
    pytest.param(b"01", [(0, [Damaged("416")]), (0, [CONTENT])], [2, 0], 10, id="no such part"),
    pytest.param(b"01", [(7, [b"789"]), (0, [CONTENT])], [2, 0], 10, id="a part nobody asked for"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "answers", "offsets", "received"), GOOD)
def test_a_file_arrives(tmp_path, there, answers, offsets, received):
    if there:
        leave(tmp_path, there)
    script = Answers(*answers)
    assert fetch(tmp_path, script) == (CONTENT, received)
    assert script.offsets == offsets


def test_a_file_in_git_is_held_against_its_blob_hash(tmp_path):
    file = RemoteFile("config.json", 3, blob_sha1="f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f")
    assert fetch(tmp_path, Answers((0, [b"abc"])), file) == (b"abc", 3)


def test_an_object_of_a_bucket_has_no_hash_and_goes_on_where_it_stopped(tmp_path):
    leave(tmp_path, b"0123")
    file = RemoteFile(FILE.name, 10, etag='"0-2"')
    script = Answers((4, [b"456", CUT]), (7, [b"789"]))
    assert fetch(tmp_path, script, file) == (CONTENT, 6)
    assert script.offsets == [4, 7]


def test_an_object_that_is_longer_than_listed_is_fetched_anew_and_refused(tmp_path):
    file = RemoteFile(FILE.name, 10, etag='"0"')
    with pytest.raises(CannotStart) as caught:
        fetch(tmp_path, Answers((0, [CONTENT, b"x"]), (0, [CONTENT, b"x"])), file)
    assert caught.value.message == (
        "a/b.safetensors has 10 bytes by the list, and more is sent; it was fetched twice"
    )


def test_an_empty_file_needs_no_request(tmp_path):
    file = RemoteFile("empty.txt", 0, blob_sha1="e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    assert fetch(tmp_path, Answers(), file) == (b"", 0)


def test_a_file_that_is_damaged_twice_is_refused_and_removed(tmp_path):
    with pytest.raises(CannotStart) as caught:
        fetch(tmp_path, Answers((0, [b"abcdefghij"]), (0, [b"abcdefghij"])))
    assert caught.value.reason == "ModelFileCorrupt"
    wrong = hashlib.sha256(b"abcdefghij").hexdigest()
    assert caught.value.message == (
        f"a/b.safetensors (10 bytes) has the SHA-256 {wrong}, and by the hub it is {FILE.sha256}; "
        "it was fetched twice"
    )
    assert not (tmp_path / FILE.name).exists()


def test_a_file_that_never_gets_further_is_given_up_and_kept(tmp_path):
    answers = Answers(*[(0, [b"0123", CUT]) for _ in range(50)])
    with pytest.raises(CannotStart) as caught:
        fetch(tmp_path, answers, seconds=20)
    assert caught.value.reason == "DownloadFailed"
    assert (tmp_path / FILE.name).read_bytes() == b"0123"


def test_a_link_on_the_volume_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "a").mkdir()
    (tmp_path / FILE.name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        fetch(tmp_path, Answers((0, [CONTENT])))
    assert victim.read_bytes() == b"precious"
