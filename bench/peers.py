"""Clients of other projects against the runtime, each in an environment of its own: `make peers`.

Two models are served on loopback by `modelyard serve`: one that doubles numbers of all datatypes,
and MiniLM. KServe's clients for HTTP and gRPC ask them, unchanged; exit code 1 if a call fails.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.equality_cases import run_example
from bench.model_processes import ROOT, serving
from modelyard_local.columns import lay_out
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr

_SECONDS = 300
_DATATYPES = ("FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL")
_CODE = """import torch


class Doubling(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor(2))

    def forward(self, {names}):
        given = {{{pairs}}}
        return {{
            name: ~each if each.dtype == torch.bool else each * self.scale.to(each.dtype)
            for name, each in given.items()
        }}
"""
HEADINGS = ("client", "call", "result")

Call = tuple[str, str, str]


def write_doubling(folder: Path) -> None:
    """Write a class that gives each of its inputs back doubled."""
    folder.mkdir()
    names = [datatype.lower() for datatype in _DATATYPES]
    pairs = ", ".join(f'"{name}": {name}' for name in names)
    (folder / "doubling.py").write_text(_CODE.format(names=", ".join(names), pairs=pairs))
    inputs = [
        {"name": name, "datatype": datatype, "shape": [-1, 3]}
        for name, datatype in zip(names, _DATATYPES, strict=True)
    ]
    (folder / "signature.json").write_text(json.dumps({"inputs": inputs}))
    torch.save({"scale": torch.tensor(2)}, folder / "model.pth")


def call_all(python: Path, folder: Path, content: str, *options: str) -> list[Call]:
    """Serve a folder, and let the clients ask it.

    Raises:
        LocalError: they cannot be run.
    """
    to_stderr(f"starting {folder.name}")
    with serving(folder, folder.with_suffix(".log"), *options) as server:
        script = str(ROOT / "bench" / "kserve_calls.py")
        asked = [server.url, server.grpc_address, server.model, content]
        done = subprocess.run(
            # Without what Python would find in this folder: the environment is the clients'.
            [str(python), "-I", script, *asked],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode:
        raise LocalError(f"the clients do not run:\n{done.stderr}")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def build_table(calls: Sequence[Call]) -> str:
    """Return the calls in columns."""
    rows = ((client, call, wrong or "ok") for client, call, wrong in calls)
    return lay_out([HEADINGS, *rows])


def main() -> None:
    """Make the models, serve them, and show what became of each call."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("python", type=Path, help="of the environment with the clients")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            doubling, minilm = Path(scratch) / "doubling", Path(scratch) / "minilm"
            write_doubling(doubling)
            run_example("minilm")(minilm, minilm)
            code = ("--entrypoint", "doubling:Doubling", "--allow-code")
            calls = call_all(options.python, doubling, "numbers", *code)
            calls += call_all(options.python, minilm, "texts")
    except LocalError as error:
        sys.exit(f"\nmake peers: {error}")
    print(build_table(calls))
    failed = sum(bool(wrong) for _, _, wrong in calls)
    if failed:
        sys.exit(f"\nmake peers: {failed} of {len(calls)} calls failed")


if __name__ == "__main__":
    main()
