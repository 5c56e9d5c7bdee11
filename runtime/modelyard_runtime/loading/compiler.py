"""Finds what torch.compile compiles with, before anything is loaded."""

import shutil
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart

_COMPILERS = ("g++", "clang++")
_HEADERS = Path(sysconfig.get_path("include"))


def find_compiler(
    environment: Mapping[str, str],
    *,
    which: Callable[[str], str | None] = shutil.which,
    headers: Path = _HEADERS,
) -> dict[str, str]:
    """Return the variables by which torch finds the compiler, and starts no processes beside it.

    Raises:
        CannotStart: ConfigInvalid, there is none, or Python's header files are not there.
    """
    wanted = environment.get("CXX")
    names = (wanted,) if wanted else _COMPILERS
    found = next((path for name in names if (path := which(name))), None)
    missing = []
    if found is None:
        missing.append(f"a C++ compiler ({' or '.join(names)})")
    if not (headers / "Python.h").is_file():
        missing.append(f"Python's header files ({headers / 'Python.h'})")
    if found is None or missing:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize.compile needs {' and '.join(missing)}, and the image has none",
            hint="Remove spec.optimize.compile, or use an image with g++ and python3-dev in "
            "spec.runtime.image. The runtime's own image has no compiler.",
        )
    # Otherwise torch starts one process per core of the host, each with a torch of its own.
    return {"CXX": found, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
