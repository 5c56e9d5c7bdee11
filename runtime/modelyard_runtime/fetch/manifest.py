"""The digest of what a bucket holds of a model: the revision that a bucket itself does not have."""

import hashlib
from collections.abc import Iterable

from modelyard_runtime.fetch.listing import RemoteFile


def digest_manifest(files: Iterable[RemoteFile]) -> str:
    """Return the SHA-256 over one line for each file, in the order of the bytes of the lines.

    A line is the whole key, the size and the ETag as S3 gives it (with its quotation marks), with
    a tab between them and a line feed after them: what `aws s3api list-objects-v2` prints.
    """
    lines = sorted(f"{file.name}\t{file.size}\t{file.etag}\n".encode() for file in files)
    return hashlib.sha256(b"".join(lines)).hexdigest()
