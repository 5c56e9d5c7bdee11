"""Refuses Keras files that would do more than compute."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.archives import DAMAGED_HINT, vet_archive
from modelyard_runtime.loading.hdf5 import vet_hdf5
from modelyard_runtime.loading.keras_config import find_fault

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def vet_keras(path: Path, *, limit_bytes: int) -> None:
    """Check a `.keras` or `.h5` file.

    Raises:
        CannotStart: ModelUnsafe, ModelFileCorrupt or ModelUnsupported.
    """
    config = (
        _vet_archive(path, limit_bytes) if path.suffix == ".keras" else _vet_hdf5(path, limit_bytes)
    )
    fault = find_fault(_parse(path.name, config))
    if fault is not None:
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{path.name} {fault}; building it can run any code or read any file",
            hint="Save the model with layers of Keras alone; a class of your own is served by the "
            "format state-dict, with spec.model.entrypoint.",
        )


def _vet_archive(path: Path, limit_bytes: int) -> str:
    names = vet_archive(path, limit_bytes=limit_bytes)
    missing = {_CONFIG, _WEIGHTS} - names
    if missing:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} is no model of Keras 3: it has no {' and no '.join(sorted(missing))}",
            hint="Save it with model.save('model.keras').",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read(_CONFIG).decode()
            weights = io.BytesIO(archive.read(_WEIGHTS))
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise _damaged(path.name, error) from error
    vet_hdf5(weights, f"{_WEIGHTS} of {path.name}", limit_bytes=limit_bytes)
    return config


def _vet_hdf5(path: Path, limit_bytes: int) -> str:
    with path.open("rb") as file:
        start = file.read(len(_HDF5_MAGIC))
    if start != _HDF5_MAGIC:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{path.name} does not begin as HDF5 files do",
            hint=f"{DAMAGED_HINT} If it is another kind of file, its name is wrong.",
        )
    config = vet_hdf5(path, path.name, limit_bytes=limit_bytes)
    if not isinstance(config, str):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} holds weights only, and not the model that they are for",
            hint="Save the whole model, with model.save(...) and not model.save_weights(...).",
        )
    return config


def _parse(name: str, config: str) -> Any:
    try:
        return json.loads(config)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> CannotStart:
    return CannotStart(
        Reason.MODEL_FILE_CORRUPT, f"{name} cannot be read: {error}", hint=DAMAGED_HINT
    )
