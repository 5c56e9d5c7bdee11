"""Vets the one file of the formats that are one file; nothing of a model is imported here."""

from collections.abc import Callable
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Format
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.archives import DAMAGED_HINT, vet_archive
from modelyard_runtime.loading.detection import Detected
from modelyard_runtime.loading.folder import ModelFolder
from modelyard_runtime.loading.model_files import is_torchscript
from modelyard_runtime.loading.onnx_vetting import vet_onnx
from modelyard_runtime.loading.registry import import_function

# By name, since it imports a library for HDF5.
_VET_KERAS = "modelyard_runtime.loading.keras_vetting:vet_keras"
_ZIP = b"PK\x03\x04"
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def vet_program(folder: ModelFolder, detected: Detected, limit_bytes: int) -> None:
    """Check the file for what its format allows.

    Raises:
        CannotStart: ModelUnsafe, ModelUnsupported or ModelFileCorrupt.
    """
    path = folder.path / detected.file_name
    check = _CHECKS.get(detected.format)
    if check is None:
        return
    if detected.format is not Format.STATE_DICT:
        _refuse_pickle(path)
    check(folder, detected, path, limit_bytes)


def _vet_onnx(folder: ModelFolder, _detected: Detected, path: Path, _limit: int) -> None:
    vet_onnx(path, folder.path)


def _vet_keras(_folder: ModelFolder, _detected: Detected, path: Path, limit: int) -> None:
    import_function(_VET_KERAS)(path, limit_bytes=limit)


def _vet_torchscript(folder: ModelFolder, detected: Detected, path: Path, limit: int) -> None:
    vet_archive(path, limit_bytes=limit)
    if not is_torchscript(folder, detected.file_name):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} is an archive of PyTorch, but no TorchScript: it holds no code",
            hint="Save it with torch.jit.save; for weights alone use the format state-dict.",
        )


def _vet_export(_folder: ModelFolder, _detected: Detected, path: Path, limit: int) -> None:
    names = vet_archive(path, limit_bytes=limit)
    if not any("/models/" in name for name in names):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} is no exported program: it has no folder models",
            hint="Save it with torch.export.save.",
        )


def _vet_weights(folder: ModelFolder, detected: Detected, path: Path, limit: int) -> None:
    # Safetensors have been looked at with the folder. Older pickles are no archives; they are
    # opened as weights only, as are those inside of one.
    if detected.file_name in folder.weights:
        return
    with path.open("rb") as file:
        start = file.read(len(_ZIP))
    if start == _ZIP:
        vet_archive(path, limit_bytes=limit)
    elif not start.startswith(_PICKLES):
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{path.name} ({path.stat().st_size} bytes) does not begin as weights of PyTorch do",
            hint=DAMAGED_HINT,
        )


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(len(_ZIP))
    if start.startswith(_PICKLES):
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{path.name} is a Python pickle, whatever its name says; opening one can run any code",
            hint="Get the model again from its source, in the format that its name says.",
        )


_CHECKS: dict[Format, Callable[[ModelFolder, Detected, Path, int], None]] = {
    Format.ONNX: _vet_onnx,
    Format.KERAS: _vet_keras,
    Format.TORCHSCRIPT: _vet_torchscript,
    Format.TORCH_EXPORT: _vet_export,
    Format.STATE_DICT: _vet_weights,
}
