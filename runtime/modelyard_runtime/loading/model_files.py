"""Finds the one file of a folder that is the model, for the formats that are one file."""

import zipfile
from pathlib import PurePosixPath

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Format
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.formats import FOREIGN, SUFFIXES
from modelyard_runtime.loading.folder import ModelFolder

#: What a folder is searched for, if nobody says what it is.
SEARCHED = (Format.ONNX, Format.KERAS, Format.TORCH_EXPORT, Format.TORCHSCRIPT)


def find_formats(folder: ModelFolder) -> tuple[Format, ...]:
    """Return the formats of this kind that files at the folder's root are of."""
    return tuple(form for form in SEARCHED if _find_sound(folder, form))


def choose_file(folder: ModelFolder, form: Format) -> str:
    """Return the file's name; where there are several, the one that is called `model`.

    Raises:
        CannotStart: ModelNotFound or ModelUnsupported; there is none, or more than one.
    """
    found = (
        _find_sound(folder, form)
        or _find(folder, form, anywhere=False)
        or _find(folder, form, anywhere=True)
    )
    named = [name for name in found if PurePosixPath(name).stem == "model"]
    if len(found) == 1 or len(named) == 1:
        return (named or found)[0]
    if not found:
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"The folder has no model of format {form.value} "
            f"({', '.join(f'*{suffix}' for suffix in SUFFIXES[form])}); it holds "
            f"{folder.describe()}",
            hint="Remove spec.model.format to let the runtime look, or point spec.model.uri to "
            "a folder of that format.",
        )
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The folder holds {len(found)} models ({', '.join(found[:8])}), and one pod serves one",
        hint=f"Keep one file, or call the one to serve model{PurePosixPath(found[0]).suffix}.",
    )


def is_torchscript(folder: ModelFolder, name: str) -> bool:
    """Tell an archive of TorchScript, which holds code, from one of weights."""
    try:
        with zipfile.ZipFile(folder.path / name) as archive:
            parts = [PurePosixPath(entry).parts[1:] for entry in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
    return ("constants.pkl",) in parts and any(part[:1] == ("code",) for part in parts)


def _find_sound(folder: ModelFolder, form: Format) -> tuple[str, ...]:
    """Return the files at the root; names alone do not tell TorchScript from weights."""
    names = _find(folder, form, anywhere=False)
    if form is not Format.TORCHSCRIPT:
        return names
    return tuple(name for name in names if is_torchscript(folder, name))


def _find(folder: ModelFolder, form: Format, *, anywhere: bool) -> tuple[str, ...]:
    """Return the files of the best ending that there are any of."""
    names = [
        name
        for name in folder.names
        if (anywhere or "/" not in name) and not name.startswith(".") and name not in FOREIGN
    ]
    groups = (
        tuple(name for name in names if name.lower().endswith(suffix)) for suffix in SUFFIXES[form]
    )
    return next(filter(None, groups), ())
