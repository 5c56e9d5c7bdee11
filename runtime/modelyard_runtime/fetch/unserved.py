"""Says of a source what it has, where that is nothing that is served."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from modelyard_api.fetch import ModelSource
from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart

#: Suffixes of what opens only as code would.
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
#: Suffixes of other weights, of which some are served.
OTHER_WEIGHTS = frozenset(
    {".h5", ".msgpack", ".onnx", ".ot", ".tflite", ".keras", ".pb", ".npz", ".mlmodel", ".nemo"}
    | {".pt2", ".torchscript"}
)
CONVERT_HINT = (
    "Convert the weights to safetensors: load the model where you trust it, save it with "
    "model.save_pretrained(folder), and publish that; or choose a repository that has safetensors."
)
_FORMATS_HINT = (
    "This runtime takes safetensors (transformers folders), GGUF, ONNX, Keras (*.keras, *.h5) and, "
    "where spec.model.format says so, programs of PyTorch."
)
_SHOWN = 12


def without_weights(names: Sequence[str], source: ModelSource) -> CannotStart:
    """Return the fault of a folder that has no model which is served, by what it has instead."""
    folders = sorted({str(path.parent) for path in _end_with(names, {".safetensors"})})
    pickles = [str(path) for path in _end_with(names, PICKLES)]
    others = [str(path) for path in _end_with(names, OTHER_WEIGHTS)]
    if folders:
        return CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"{name_source(source)} has its weights in folders: {shorten(folders)}",
            hint=f"Name the folder in spec.model.uri, for example "
            f"{name_source(replace(source, path=folders[0]))}.",
        )
    if pickles:
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The weights of {name_source(source)} are Python pickles only ({shorten(pickles)}); "
            "opening one can run any code",
            hint=CONVERT_HINT,
        )
    if others:
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The weights of {name_source(source)} are of a format that is not served: "
            f"{shorten(others)}",
            hint=_FORMATS_HINT,
        )
    return CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{name_source(source)} has no weights; it holds {shorten(names) or 'nothing'}",
        hint=f"Check spec.model.uri. {_FORMATS_HINT}",
    )


def unknown_path(names: Sequence[str], source: ModelSource) -> CannotStart:
    """Return the fault of a path that the source does not have."""
    return CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{source.scheme}{source.repository} has no file or folder {source.path!r}; it holds "
        f"{shorten(names) or 'nothing'}",
        hint="Correct the path in spec.model.uri; upper and lower case count.",
    )


def name_source(source: ModelSource) -> str:
    """Return the source as spec.model.uri has it."""
    whole = "/".join(part for part in (source.repository, source.path) if part)
    return f"{source.scheme}{whole}" if source.repository else whole


def shorten(names: Sequence[str]) -> str:
    """Return the first names of many."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _end_with(names: Sequence[str], suffixes: Collection[str]) -> list[PurePosixPath]:
    return [path for path in map(PurePosixPath, names) if path.suffix.lower() in suffixes]
