"""What the tests' hub holds: repositories, commits, and files with the hashes that a hub gives."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

#: Suffixes that the hub's default .gitattributes puts into LFS.
LFS_SUFFIXES = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".model", ".h5"})
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Blob:
    """A file of a commit."""

    path: Path
    size: int
    sha1: str
    sha256: str
    lfs: bool


@dataclass
class Repository:
    """Commits by their hash, and what names stand for which."""

    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    #: Tokens that may read it; None: everybody.
    readers: frozenset[str] | None = None
    #: Its page is public, its files are not.
    gated: bool = False


def read_blob(path: Path) -> Blob:
    """Hash a file as git and LFS do."""
    size = path.stat().st_size
    sha1 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            sha1.update(chunk)
            sha256.update(chunk)
    return Blob(path, size, sha1.hexdigest(), sha256.hexdigest(), path.suffix in LFS_SUFFIXES)


def describe_sibling(name: str, blob: Blob) -> dict[str, object]:
    said: dict[str, object] = {"rfilename": name, "size": blob.size, "blobId": blob.sha1}
    if blob.lfs:
        said["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 134}
    return said


def describe_entry(name: str, blob: Blob) -> dict[str, object]:
    said: dict[str, object] = {"type": "file", "path": name, "size": blob.size, "oid": blob.sha1}
    if blob.lfs:
        said["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
    return said
