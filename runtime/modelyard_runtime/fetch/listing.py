"""What a repository of a hub holds at one commit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file by its name in the repository, and what its content must be.

    `sha256` is of the content, for files in LFS; the others have `blob_sha1`, git's name for them.
    """

    name: str
    size: int
    sha256: str = ""
    blob_sha1: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a commit."""

    commit: str
    files: tuple[HubFile, ...]
