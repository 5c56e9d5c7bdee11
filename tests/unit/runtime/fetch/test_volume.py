"""The volume, after every way that a process can end."""

import subprocess
import sys

import pytest

from modelyard_runtime.fetch.volume import Marker, StoredFile, Volume

WANTED = Marker(
    uri="hf://acme/tiny",
    revision="1" * 40,
    files=(StoredFile(name="config.json", size=2), StoredFile(name="a/b.txt", size=3)),
)
OTHER = WANTED.model_copy(update={"revision": "2" * 40})


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def fill(folder, **changed):
    contents = {"config.json": "{}", "a/b.txt": "abc", **changed}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def names(volume):
    return sorted(path.name for path in volume.root.iterdir())


def test_what_is_published_is_there(volume):
    volume.prepare(WANTED)
    assert volume.missing_bytes(WANTED) == 5
    fill(volume.incoming)
    assert volume.missing_bytes(WANTED) == 0
    assert not volume.find_model(WANTED.uri, WANTED.revision)
    volume.publish(WANTED)
    assert volume.find_model(WANTED.uri, WANTED.revision)
    assert not volume.find_model(OTHER.uri, OTHER.revision)
    assert names(volume) == ["model", "model.json"]


@pytest.mark.parametrize(
    "hurt",
    [
        lambda model: (model / "config.json").write_text("{"),
        lambda model: (model / "a" / "b.txt").unlink(),
        lambda model: (model.parent / "model.json").unlink(),
        lambda model: (model.parent / "model.json").write_text('{"version": 1'),
    ],
    ids=["a file is shorter", "a file is missing", "no mark", "half a mark"],
)
def test_what_is_not_whole_is_not_there(volume, hurt):
    volume.prepare(WANTED)
    fill(volume.incoming)
    volume.publish(WANTED)
    hurt(volume.model)
    assert not volume.find_model(WANTED.uri, WANTED.revision)


def test_what_was_on_its_way_stays_and_all_else_goes(volume):
    volume.prepare(WANTED)
    fill(volume.incoming, **{"old.bin": "x", "old/x.txt": "x"})
    (volume.incoming / "a" / "b.txt").write_text("a")
    (volume.incoming / "link").symlink_to("/etc")
    volume.prepare(WANTED)
    left = sorted(p.relative_to(volume.incoming).as_posix() for p in volume.incoming.rglob("*"))
    assert left == ["a", "a/b.txt", "config.json"]
    assert volume.missing_bytes(WANTED) == 2


def test_what_was_on_its_way_of_another_commit_goes(volume):
    volume.prepare(OTHER)
    fill(volume.incoming)
    volume.prepare(WANTED)
    assert list(volume.incoming.iterdir()) == []


@pytest.mark.parametrize(
    ("boot", "kept"), [("b1", True), ("b2", False)], ids=["the same boot", "the node was restarted"]
)
def test_what_no_hash_can_prove_stays_as_long_as_the_node_runs(volume, boot, kept):
    volume.prepare(WANTED.model_copy(update={"boot": "b1"}))
    fill(volume.incoming)
    wanted = WANTED.model_copy(update={"boot": boot})
    volume.prepare(wanted)
    assert (volume.missing_bytes(wanted) == 0) is kept


@pytest.mark.parametrize(
    ("uri", "revision", "found"),
    [
        (WANTED.uri, WANTED.revision, True),
        (WANTED.uri, "", True),
        (WANTED.uri, OTHER.revision, False),
        ("s3://models/tiny", "", False),
    ],
    ids=["its revision", "whichever there is", "another revision", "another model"],
)
def test_a_model_is_found_by_uri_and_revision(volume, uri, revision, found):
    marked = WANTED.model_copy(update={"boot": "b1"})
    volume.prepare(marked)
    fill(volume.incoming)
    volume.publish(marked)
    assert volume.find_model(uri, revision) == (WANTED if found else None)


def test_an_end_between_the_rename_and_the_mark_costs_no_download(volume):
    volume.prepare(WANTED)
    fill(volume.incoming)
    volume.incoming.rename(volume.model)
    volume.prepare(WANTED)
    assert volume.missing_bytes(WANTED) == 0
    volume.publish(WANTED)
    assert volume.find_model(WANTED.uri, WANTED.revision)


def test_a_model_that_was_there_is_replaced(volume):
    for marker, text in ((OTHER, "old"), (WANTED, "new")):
        volume.prepare(marker)
        fill(volume.incoming, **{"a/b.txt": text})
        volume.publish(marker)
    assert (volume.model / "a" / "b.txt").read_text() == "new"
    assert names(volume) == ["model", "model.json"]


def test_an_end_while_the_old_model_was_removed_is_tidied_up(volume):
    volume.prepare(WANTED)
    fill(volume.root / "outgoing")
    volume.prepare(WANTED)
    assert names(volume) == ["incoming", "incoming.json"]


def test_another_process_is_kept_out(volume):
    code = "import fcntl, sys\nfcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    command = [sys.executable, "-c", code, str(volume.root / "lock")]
    with volume.locked():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "BlockingIOError" in done.stderr
    assert subprocess.run(command, check=False).returncode == 0
