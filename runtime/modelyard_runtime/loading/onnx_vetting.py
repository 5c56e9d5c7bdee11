"""Refuses ONNX files that need code of their own or reach outside of their folder."""

from pathlib import Path, PurePosixPath

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.archives import DAMAGED_HINT
from modelyard_runtime.loading.onnx_header import (
    Contents,
    DamagedHeader,
    External,
    read_contents,
)

#: Operators that are part of onnxruntime; `ai.onnx` is written as nothing, too.
_DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "com.microsoft", "com.microsoft.nchwc"}
)


def vet_onnx(path: Path, root: Path) -> Contents:
    """Check a model and the files with its weights, which lie under `root`.

    Raises:
        CannotStart: ModelUnsafe, ModelUnsupported or ModelFileCorrupt.
    """
    try:
        contents = read_contents(path)
    except DamagedHeader as error:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{path.name} ({path.stat().st_size} bytes) is not a whole ONNX model: {error}",
            hint=DAMAGED_HINT,
        ) from error
    foreign = sorted(
        f"{domain}.{operator}"
        for domain, operator in contents.operators
        if domain not in _DOMAINS | contents.own_domains
    )
    if foreign:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{path.name} needs operators of a library of its own: {', '.join(foreign[:4])[:200]}",
            hint="Export the model with operators of ONNX only; this runtime loads no libraries "
            "for a model.",
        )
    for external in contents.externals:
        _check_external(path, root, external)
    return contents


def _check_external(path: Path, root: Path, external: External) -> None:
    location = PurePosixPath(external.location.replace("\\", "/"))
    file = path.parent / location
    inside = not location.is_absolute() and ".." not in location.parts
    if not external.location or not inside or not file.resolve().is_relative_to(root.resolve()):
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{path.name} takes the weights {external.tensor[:80]!r} from "
            f"{external.location[:200]!r}, which is outside of the folder",
            hint="A model names files beside itself; get it again from its source.",
        )
    if not file.is_file():
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{path.name} names the file {external.location}, which is missing",
            hint="Copy the model with all files that lie beside it.",
        )
    size = file.stat().st_size
    if external.offset < 0 or external.length < 0 or external.offset + external.length > size:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{external.location} is truncated: by {path.name} it has at least "
            f"{external.offset + external.length} bytes, the file has {size}",
            hint=DAMAGED_HINT,
        )
