"""The volume that a model is fetched to.

lock            held by the one process that works here
incoming/       files on their way; a restarted process goes on with them
incoming.json   which model they are of
model/          the whole model: renamed from incoming/ once every file is verified
model.json      which model it is, with the size of each file
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from modelyard_api.document import Document
from modelyard_api.meta import DOWNLOADED_FOLDER

_log = logging.getLogger(__name__)


class StoredFile(Document):
    """A file of a model folder."""

    name: str
    size: int


class Marker(Document):
    """Which model a folder of the volume holds."""

    version: Literal[1] = 1
    uri: str
    revision: str
    files: tuple[StoredFile, ...] = ()
    boot: str | None = None
    """Of files on their way that no hash can prove: the node's boot that they were written in."""

    def is_same_model(self, other: "Marker | None") -> bool:
        """Tell whether both speak of the same files of the same revision.

        What a crash of the node may have torn counts as nothing where no hash would show it.
        """
        return other is not None and (self.uri, self.revision, self.boot) == (
            other.uri,
            other.revision,
            other.boot,
        )


class Volume:
    """Its folders and marks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.model = root / DOWNLOADED_FOLDER
        self._incoming_mark = root / "incoming.json"
        self._model_mark = root / f"{DOWNLOADED_FOLDER}.json"
        self._outgoing = root / "outgoing"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; waits for one that is at work."""
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.info("waiting_for_another_download", extra={"volume": str(self.root)})
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def find_model(self, uri: str, revision: str) -> Marker | None:
        """Return the mark of the whole model if it is here, by that and the size of each file.

        An empty revision is whichever was fetched: a pod keeps what it came with.
        """
        stored = _read_mark(self._model_mark)
        if stored is None or stored.uri != uri or revision not in {"", stored.revision}:
            return None
        is_whole = all(_size_of(self.model / file.name) == file.size for file in stored.files)
        return stored if is_whole else None

    def prepare(self, wanted: Marker) -> None:
        """Make incoming/ ready: what it has of this model stays, all else goes."""
        shutil.rmtree(self._outgoing, ignore_errors=True)
        if not wanted.is_same_model(_read_mark(self._incoming_mark)):
            _remove(self.incoming)
            _write_mark(self._incoming_mark, wanted)
        elif self.model.is_dir() and not self.incoming.is_dir():
            # It ended between the rename and the mark; the files are verified once more.
            self.model.rename(self.incoming)
        self.incoming.mkdir(exist_ok=True)
        _remove_others(self.incoming, {file.name for file in wanted.files})

    def missing_bytes(self, wanted: Marker) -> int:
        """Return how much is still to come."""
        sizes = ((file.size, _size_of(self.incoming / file.name) or 0) for file in wanted.files)
        return sum(max(wanted_size - size, 0) for wanted_size, size in sizes)

    def free_bytes(self) -> int:
        """Return how much more may be written."""
        return shutil.disk_usage(self.root).free

    def publish(self, wanted: Marker) -> None:
        """Make incoming/ the model, in one step for whoever looks."""
        for folder, _, _ in os.walk(self.incoming):
            _sync(Path(folder))
        self._model_mark.unlink(missing_ok=True)
        if self.model.exists():
            self.model.rename(self._outgoing)
        self.incoming.rename(self.model)
        _sync(self.root)
        _write_mark(self._model_mark, wanted.model_copy(update={"boot": None}))
        self._incoming_mark.unlink(missing_ok=True)
        shutil.rmtree(self._outgoing, ignore_errors=True)


def _read_mark(path: Path) -> Marker | None:
    try:
        return Marker.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write_mark(path: Path, marker: Marker) -> None:
    fresh = path.with_suffix(".json.new")
    with fresh.open("w") as file:
        file.write(marker.model_dump_json(by_alias=True, exclude_none=True))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_others(root: Path, names: set[str]) -> None:
    for folder, subfolders, files in os.walk(root, topdown=False):
        for name in files:
            path = Path(folder, name)
            if path.relative_to(root).as_posix() not in names:
                path.unlink()
        for name in subfolders:
            path = Path(folder, name)
            if path.is_symlink():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
