"""Whether a folder of files has changed, without reading them."""

from pathlib import Path

Fingerprint = tuple[tuple[str, tuple[int, ...]], ...]


def take_fingerprint(folder: Path) -> Fingerprint:
    """Return what differs once a file of the folder has come, gone or changed.

    Links are followed: in a mounted Secret every file is one, and what it leads to is swapped.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        return (("", (error.errno or 0,)),)
    return tuple((path.name, _look_at(path)) for path in paths)


def _look_at(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
