"""Files of pinned Go modules: what other projects publish for clusters, CRDs above all."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import toolchain
from .errors import LocalError
from .locks import exclusive
from .paths import cache_root
from .progress import Report, pulsing


@dataclass(frozen=True)
class Module:
    """One version of a Go module, with the checksum that go.sum would have, and a folder of it."""

    path: str
    version: str
    checksum: str
    folder: str


#: KEDA's CRDs, which what we make for it is checked against.
KEDA = Module(
    path="github.com/kedacore/keda/v2",
    version="v2.21.0",
    checksum="h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
    folder="config/crd/bases",
)


def ensure(module: Module, report: Report = print) -> Path:
    """Return the module's folder in our cache; download the module the first time."""
    name = module.path.replace("/", "-")
    target = cache_root() / "modules" / f"{name}-{module.version}"
    if target.exists():
        return target
    with exclusive(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            with pulsing(f"downloading {module.path} {module.version}", report):
                _fetch(module, target, toolchain.ensure_go(report))
    return target


def _fetch(module: Module, target: Path, go: Path) -> None:
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(fresh / "cache"),
    }
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{module.path}@{module.version}"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=fresh,
        check=False,
    )
    found = _read(done.stdout)
    if done.returncode or found.get("Sum") != module.checksum:
        why = found.get("Error") or done.stderr.strip() or f"its checksum is {found.get('Sum')}"
        raise LocalError(f"{module.path}@{module.version} cannot be had: {why}")
    shutil.copytree(Path(found["Dir"]) / module.folder, fresh / "files")
    (fresh / "files").rename(target)
    shutil.rmtree(fresh)


def _read(text: str) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(text)
    except ValueError:
        return {}
    return found
