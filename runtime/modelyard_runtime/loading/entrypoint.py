"""Imports the class that a model brings in its folder (spec.model.entrypoint, allowCode)."""

import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart

_PREFIX = "modelyard_model."


class _SourceOnly(SourceFileLoader):
    """Compiles the source: nothing is read from, or written to, the folder's `__pycache__`."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def import_class(folder: Path, entrypoint: str) -> type:
    """Return the class `module:Class` of the folder.

    Only that module comes from the folder: Python's path stays as it is.

    Raises:
        CannotStart: ModelNotFound, there is no such module or class; LoadFailed, its code failed.
    """
    name, _, class_name = entrypoint.partition(":")
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    if not class_name or not path.is_file():
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"spec.model.entrypoint {entrypoint!r} names the module {path.name}, which the model "
            "folder does not have",
            hint="Put the module beside the weights, and name it as module:Class.",
        )
    found = getattr(_import(name, path), class_name, None)
    if not isinstance(found, type):
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"spec.model.entrypoint {entrypoint!r}: {path.name} has no class {class_name}",
            hint="Correct the name; upper and lower case count.",
        )
    return found


def explain_failure(what: str, error: BaseException) -> CannotStart:
    """Return the fault for code of the model that failed, with the place and the error."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""
    last = traceback.format_exception_only(error)[-1].strip()
    return CannotStart(
        Reason.LOAD_FAILED,
        f"{what} failed{place}: {last}",
        hint="It is the model's own code: run it with the packages of the runtime image, and "
        "correct it in the model folder.",
    )


def _import(name: str, path: Path) -> ModuleType:
    # A name of its own, so that a module which is called like a library does not hide it. It is
    # known by its name while and after it runs: dataclasses look there for their annotations.
    full_name = _PREFIX + name
    loader = _SourceOnly(full_name, str(path))
    spec = importlib.util.spec_from_file_location(full_name, path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[full_name] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[full_name]
        raise explain_failure(f"Importing {path.name}", error) from error
    return module
