"""A volume without much room. Mounting one needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def small(folder: Path, kib: int) -> Iterator[None]:
    """A file system of so many KiB at a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    """Take all room that is left there, though others may be taking it, too."""
    room = os.statvfs(folder)
    with suppress(OSError):
        (folder / "other").write_bytes(bytes(room.f_bavail * room.f_frsize))
