"""Looks into zip archives (Keras, PyTorch) before any library opens them."""

import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.memory import format_gib

DAMAGED_HINT = (
    "Copy or download the file again, and compare its length or checksum with the original."
)
_ENCRYPTED = 1
#: What an archive ends with, and how long that is where there is no comment.
_END, _END_BYTES = b"PK\x05\x06", 22


def vet_archive(path: Path, *, limit_bytes: int) -> frozenset[str]:
    """Return the names of an archive's entries.

    Raises:
        CannotStart: ModelFileCorrupt, it is no archive or cut short; ModelUnsafe, an entry leaves
            its place, or all of them unpacked are more than `limit_bytes`.
    """
    try:
        entries = _list_entries(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{path.name} ({path.stat().st_size} bytes) is not a whole archive: {error}",
            hint=DAMAGED_HINT,
        ) from error
    for entry in entries:
        _check_entry(path.name, entry)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limit_bytes:
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{path.name} ({path.stat().st_size} bytes) would unpack to {unpacked} bytes "
            f"({format_gib(unpacked)}), and the pod has {format_gib(limit_bytes)}",
            hint="If the model is honest, set spec.resources.memory to more than that; if it "
            "comes from elsewhere, do not serve it.",
        )
    return frozenset(entry.filename for entry in entries)


def _list_entries(path: Path) -> list[zipfile.ZipInfo]:
    """Return the entries of an archive that is the whole file.

    Readers differ in what they find in a file with something before or behind the archive: what is
    left of one that was cut short may end with an archive that was an entry of it.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        file.seek(-_END_BYTES, os.SEEK_END)
        is_at_end = file.read(len(_END)) == _END
    if not is_at_end or min((entry.header_offset for entry in entries), default=0):
        raise zipfile.BadZipFile("it does not begin and end with the archive")
    return entries


def _check_entry(name: str, entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        problem = "would be written outside of its place"
    elif stat.S_ISLNK(entry.external_attr >> 16):
        problem = "is a link"
    elif entry.flag_bits & _ENCRYPTED:
        problem = "is encrypted"
    else:
        return
    raise CannotStart(
        Reason.MODEL_UNSAFE,
        f"{name} has an entry {entry.filename[:200]!r} that {problem}",
        hint="No library writes such a file; get the model again from its source.",
    )
