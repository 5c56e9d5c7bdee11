"""One file from where it is to the volume: resumed where it stopped, hashed as it comes, synced."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import Damaged, Transient
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.patience import Patience
from modelyard_runtime.fetch.progress import Meter

_READ_BYTES = 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Body:
    """An answer: where in the file it starts, and its bytes as they come."""

    offset: int
    chunks: Iterator[bytes]


#: Opens a file from an offset; the answer may start at 0 all the same.
OpenBody = Callable[[RemoteFile, int], AbstractContextManager[Body]]


class Digest(Protocol):
    """The part of hashlib's objects that is used here."""

    def update(self, data: bytes, /) -> None:
        """Take more of the content."""

    def hexdigest(self) -> str:
        """Return the hash of what was taken."""


def fetch_file(
    file: RemoteFile, path: Path, open_body: OpenBody, patience: Patience, meter: Meter
) -> None:
    """Bring one file to `path`, whole and verified. A damaged one is fetched once more.

    Raises:
        CannotStart: ModelFileCorrupt, DownloadFailed, or what the server refuses.
        Changed: it is not the file any more that was listed.
        OSError: the volume refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for is_last in (False, True):
        try:
            with Transfer(file, path, meter) as transfer:
                patience.insist(lambda: transfer.receive(open_body), what=file.name)
                transfer.finish()
        except Damaged as fault:
            path.unlink()
            if is_last:
                raise _corrupt(fault) from fault
            _log.warning("fetching_again", extra={"what": file.name, "explanation": str(fault)})
        else:
            return


class Transfer:
    """A file on its way: what of it is on the volume, and the hash of that."""

    def __init__(self, file: RemoteFile, path: Path, meter: Meter) -> None:
        self._file = file
        self._path = path
        self._meter = meter
        self._offset = 0
        self._digest = _start_digest(file)
        self._handle: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open the file, and hash what an earlier process left of it."""
        self._handle = os.fdopen(
            os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+b", buffering=0
        )
        while self._digest is not None and (chunk := self._handle.read(_READ_BYTES)):
            self._digest.update(chunk)
        self._offset = self._handle.seek(0, os.SEEK_END)
        if self._offset > self._file.size:
            self._restart()
        self._meter.found(self._file.name, self._offset)
        if self._offset:
            _log.info("resuming", extra={"what": self._file.name, "bytes": self._offset})
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what is in it stays."""
        self._open.close()

    def receive(self, open_body: OpenBody) -> None:
        """Take what is missing.

        Raises:
            Transient: the connection ended early.
            Damaged: more is sent than was listed.
        """
        if self._offset == self._file.size:
            return
        with open_body(self._file, self._offset) as body:
            if body.offset != self._offset:
                self._restart()
            if body.offset != self._offset:
                raise Transient(f"the answer starts at byte {body.offset}, which was not asked for")
            for chunk in body.chunks:
                self._write(chunk)
        if self._offset < self._file.size:
            raise Transient(f"the connection ended at byte {self._offset} of {self._file.size}")

    def finish(self) -> None:
        """Hold the content against the hash that was listed, if any, and let the disk have it.

        Raises:
            Damaged: it is not what was listed.
        """
        wanted = self._file.sha256 or self._file.blob_sha1
        actual = self._digest.hexdigest() if self._digest is not None else ""
        if actual != wanted:
            kind = "SHA-256" if self._file.sha256 else "git hash"
            raise Damaged(
                f"{self._file.name} ({self._offset} bytes) has the {kind} {actual}, and by the "
                f"hub it is {wanted}"
            )
        os.fsync(self._open.fileno())

    @property
    def _open(self) -> BinaryIO:
        if self._handle is None:
            raise RuntimeError("a Transfer is used inside of its with block")
        return self._handle

    def _write(self, chunk: bytes) -> None:
        if self._offset + len(chunk) > self._file.size:
            raise Damaged(
                f"{self._file.name} has {self._file.size} bytes by the list, and more is sent"
            )
        view = memoryview(chunk)
        while view:
            # Unbuffered files may take less than they are given, a full disk first of all.
            view = view[os.write(self._open.fileno(), view) :]
        if self._digest is not None:
            self._digest.update(chunk)
        self._offset += len(chunk)
        self._meter.received(self._file.name, len(chunk), self._offset)

    def _restart(self) -> None:
        self._open.seek(0)
        self._open.truncate()
        self._digest = _start_digest(self._file)
        self._offset = 0


def _start_digest(file: RemoteFile) -> Digest | None:
    if file.sha256:
        return hashlib.sha256()
    if not file.blob_sha1:
        return None
    # Git hashes a header with the length, then the content; it names, it does not protect.
    return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)


def _corrupt(fault: Damaged) -> CannotStart:
    return CannotStart(
        Reason.MODEL_FILE_CORRUPT,
        f"{fault}; it was fetched twice",
        hint="Something on the way here changes the file, or the copy there is damaged: "
        "check proxies and mirrors, or choose another revision.",
    )
