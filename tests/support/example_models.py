"""Models of the examples, each made once per machine: training them takes minutes."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from examples.demo import SHARED_SOURCES
from modelyard_local.locks import exclusive
from modelyard_local.paths import cache_root

ROOT = Path(__file__).parents[2]


class ExampleMaker:
    """Runs an example's make.py, unless it did so before with the same sources and libraries."""

    def __init__(self, name, *options):
        self._script = ROOT / "examples" / name / "make.py"
        self._options = options
        kept = cache_root() / "tests" / "examples" / "-".join((name, *options))
        self._lock, self._kept = Path(f"{kept}.lock"), kept
        self._key = hash_sources(self._script.parent)

    def write(self, folder):
        """Make `folder`, a copy that a test may change; returns what make.py printed."""
        with exclusive(self._lock):
            key = self._kept / "key"
            if not key.exists() or key.read_text() != self._key:
                shutil.rmtree(self._kept, ignore_errors=True)
                self._kept.mkdir(parents=True)
                (self._kept / "printed").write_text(self._run())
                # Last, so that what was cut off counts for nothing.
                key.write_text(self._key)
            shutil.copytree(self._kept / "model", folder, dirs_exist_ok=True)
            return (self._kept / "printed").read_text()

    def _run(self):
        command = [sys.executable, self._script, "--out", self._kept / "model", *self._options]
        # One thread each: the other cores have tests of their own.
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def hash_sources(folder):
    """A hash of all that an example's model is made of."""
    shared = {ROOT / path for path in SHARED_SOURCES}
    beside = shared.union((ROOT / "requirements").glob("*.lock"))
    files = {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    whole = hashlib.sha256()
    for path in sorted(files | beside):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()
