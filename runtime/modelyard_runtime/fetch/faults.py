"""What goes wrong on the way of a file, before it is known whether another try helps.

RuntimeFault
├── Transient        the network or the server; the same request may work later
│   └── RateLimited  the hub wants fewer requests
├── Damaged          the file arrived, and is not what the list said it would be
└── Changed          a file is another one than when it was listed
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart, RuntimeFault

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_HINT = (
    "The download lies on the node's disk: free space there, add a node with a larger disk, or "
    "choose a smaller model or file."
)


class Transient(RuntimeFault):
    """A try that failed; `retry_after_seconds` is what the server asked for."""

    def __init__(self, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(Transient):
    """The hub lets nobody like us through for a while."""


class Damaged(RuntimeFault):
    """A file whose length or hash is not what the list said."""


class Changed(RuntimeFault):
    """A file that somebody replaced or removed after it was listed: only a new list helps."""


def not_enough_disk(needed_bytes: int, free_bytes: int, folder: Path) -> CannotStart:
    """Return the refusal of a volume that is too small."""
    return CannotStart(
        Reason.NOT_ENOUGH_DISK,
        f"The model needs {format_bytes(needed_bytes)} more on the volume at {folder}, and "
        f"{format_bytes(free_bytes)} are free",
        hint=_DISK_HINT,
    )


@contextmanager
def translated_disk_errors(folder: Path) -> Iterator[None]:
    """Raise CannotStart for what the volume at `folder` refuses."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise CannotStart(
                Reason.NOT_ENOUGH_DISK,
                f"The volume at {folder} became full while the model was written: something else "
                "wrote there, too",
                hint=_DISK_HINT,
            ) from error
        path = str(error.filename or "")
        if not Path(path).is_relative_to(folder):
            raise
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"The volume at {folder} cannot be used: {path}: {error.strerror or error}",
            hint="The init container needs a writable volume there.",
        ) from error


def format_bytes(count: int) -> str:
    """Return a size as people read it, in binary units: `1.5 GiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the step between the units
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
