"""Which files make a model of a format that is one file, or weights with their class: pure.

Names are relative to the folder that is fetched, with `/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from modelyard_api.v1alpha1 import Format
from modelyard_runtime.formats import FOREIGN, SUFFIXES

#: What names alone tell. Files of TorchScript are called like pickles, and must be asked for.
_TOLD_BY_NAME = (Format.ONNX, Format.KERAS, Format.TORCH_EXPORT)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the spec says of the model: its format, and its class as `module:Class`."""

    format: Format = Format.AUTO
    entrypoint: str = ""

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats of one file that are looked for."""
        if self.entrypoint:
            return (Format.STATE_DICT,)
        if self.format is Format.AUTO:
            return _TOLD_BY_NAME
        return (self.format,) if self.format in SUFFIXES else ()

    @property
    def is_explicit(self) -> bool:
        """Whether such a format is asked for, whatever else the folder has."""
        return bool(self.entrypoint) or self.format in SUFFIXES

    def takes(self, name: str) -> bool:
        """Say whether a file may be the model, by its name."""
        endings = tuple(ending for form in self.formats for ending in SUFFIXES[form])
        return name.lower().endswith(endings)


def find_models(names: Sequence[str], asked: Asked) -> tuple[str, ...]:
    """Return the files that may be the model: those called `model` if there are any.

    Files at the root come first; then those of folders, where exports are.
    """
    own = [name for name in names if name not in FOREIGN]
    root = [name for name in own if "/" not in name]
    for within in (root, own) if asked.is_explicit else (root,):
        found = [name for form in asked.formats for name in _find_best(within, form)]
        if found:
            named = [name for name in found if PurePosixPath(name).stem == "model"]
            return tuple(named or found)
    return ()


def find_companions(names: Sequence[str], model: str, asked: Asked) -> tuple[str, ...]:
    """Return what the model's file needs: the weights of an ONNX file, the module of a class."""
    folder = PurePosixPath(model).parent
    beside = [name for name in names if PurePosixPath(name).parent == folder and name != model]
    if model.lower().endswith(".onnx"):
        starts = (f"{model}.data", f"{model}_data")
        return tuple(name for name in beside if name.startswith(starts) or name.endswith(".data"))
    module = asked.entrypoint.partition(":")[0].replace(".", "/")
    path = str(folder / f"{module}.py")
    return (path,) if module and path in names else ()


def _find_best(names: Sequence[str], form: Format) -> list[str]:
    """Return the files of the best ending that there are any of."""
    groups = ([name for name in names if name.lower().endswith(end)] for end in SUFFIXES[form])
    return next(filter(None, groups), [])
