"""Lists a model folder, and refuses what is no plain file inside of it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart


def list_names(path: Path) -> tuple[str, ...]:
    """Return the names of a folder's files, with `/`.

    Raises:
        CannotStart: ModelNotFound; ModelUnsafe or ModelFileCorrupt, something in it is no file of
            this folder.
    """
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"The model folder {path} {what}",
            hint="Check spec.model.uri, and that the model's image or folder holds the files at "
            "its root.",
        )
    root = path.resolve()
    names = sorted(_walk(path, root))
    if not names:
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"The model folder {path} is empty",
            hint="Check that the model's image or folder holds the files at its root.",
        )
    return tuple(names)


def _walk(path: Path, root: Path) -> Iterator[str]:
    for directory, subdirectories, files in os.walk(path):
        # Hidden folders (.git, .cache) are never part of a model.
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".")]
        for name in (*subdirectories, *files):
            _check(Path(directory, name), path, root)
        yield from (Path(directory, name).relative_to(path).as_posix() for name in files)


def _check(target: Path, path: Path, root: Path) -> None:
    name = target.relative_to(path).as_posix()
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{name!a} is a name that is no text",
            hint="Rename the file, or copy the folder again from its source.",
        )
    try:
        if target.is_symlink() and not target.resolve().is_relative_to(root):
            raise CannotStart(
                Reason.MODEL_UNSAFE,
                f"{name} is a link that leaves the model folder",
                hint="Copy the files themselves into the folder (cp -L; or "
                "huggingface-cli download --local-dir).",
            )
        mode = target.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{name} is a link that leads nowhere",
            hint="Copy the files themselves into the folder (cp -L), or remove the link.",
        ) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{name} is no file but a pipe, a socket or a device",
            hint="Models are made of files; remove it, or get the model again from its source.",
        )
