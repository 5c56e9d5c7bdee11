"""What a repository of a hub or a bucket holds at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file by its name in the repository or bucket, and what its content must be.

    `sha256` is of the content, for files of a hub in LFS; its others have `blob_sha1`, git's name
    for them. Objects of a bucket have an `etag` only, which tells two contents apart and says
    nothing about either.
    """

    name: str
    size: int
    sha256: str = ""
    blob_sha1: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a revision: a commit, or the digest of a bucket's manifest."""

    revision: str
    files: tuple[RemoteFile, ...]
