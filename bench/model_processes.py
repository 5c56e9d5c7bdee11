"""The two that are compared, as processes of their own: `modelyard serve`, and bench/offline.py."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.environment import build_environment
from bench.operator_process import find_port
from modelyard_api.report import RuntimeReport, decode_report
from modelyard_local.errors import LocalError
from modelyard_local.progress import read_tail

ROOT = Path(__file__).parents[1]

_START_SECONDS = 120
_STOP_SECONDS = 15


@dataclass(frozen=True)
class Server:
    """A running `modelyard serve`, and how long it took to get there."""

    url: str
    grpc_address: str
    internal_url: str
    pid: int
    model: str
    seconds_until_http: float
    seconds_until_ready: float

    def read_report(self) -> RuntimeReport:
        """Return what the runtime says of itself.

        Raises:
            LocalError: it says something else.
        """
        text = _ask(f"{self.internal_url}/report")
        report = decode_report(text) if text else None
        if report is None:
            raise LocalError(f"no report at {self.internal_url}/report")
        return report


class Offline:
    """A running bench/offline.py."""

    def __init__(self, requests: IO[str], answers: IO[str], log: Path) -> None:
        self._requests, self._answers, self._log = requests, answers, log

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the answer; `seconds` is how long it computed.

        Raises:
            LocalError: the process has ended.
        """
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return self.read()

    def read(self) -> dict[str, Any]:
        """Wait for a line."""
        line = self._answers.readline()
        if not line:
            raise LocalError(f"bench.offline ended; its last lines:\n{read_tail(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def serving(folder: Path, log: Path, *options: str) -> Iterator[Server]:
    """Serve a model folder on loopback, from when it is ready until the end of the block.

    `options` are more of those of `modelyard serve`.
    """
    port, grpc_port, internal_port = find_port(), find_port(), find_port()
    command = [sys.executable, "-P", "-m", "modelyard_cli", "serve", str(folder)]
    command += ["--port", str(port), "--grpc-port", str(grpc_port)]
    command += ["--internal-port", str(internal_port), *options]
    url, internal_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{internal_port}"
    began = time.monotonic()
    with _running(command, log) as process:
        _wait_for(process, f"{url}/livez", log)
        up = time.monotonic() - began
        _wait_for(process, f"{url}/readyz", log)
        ready = time.monotonic() - began
        yield Server(
            url, f"127.0.0.1:{grpc_port}", internal_url, process.pid, folder.name, up, ready
        )


@contextmanager
def computing(task: str, folder: Path, *, dtype: str, threads: int, log: Path) -> Iterator[Offline]:
    """Hold the model in plain transformers, from when it is loaded until the end of the block."""
    command = [sys.executable, "-m", "bench.offline", task, str(folder)]
    command += ["--dtype", dtype, "--threads", str(threads)]
    with _running(command, log, pipes=True) as process:
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101
        offline = Offline(process.stdin, process.stdout, log)
        offline.read()
        yield offline


@contextmanager
def _running(
    command: Sequence[str], log: Path, *, pipes: bool = False
) -> Iterator[subprocess.Popen[str]]:
    with log.open("a") as output:
        # In a session of its own: an interrupt is ours, and we end it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else output,
            stderr=output,
            text=True,
            cwd=ROOT,
            env=build_environment(HF_HUB_OFFLINE="1"),
            start_new_session=True,
        )
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait_for(process: subprocess.Popen[str], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while _ask(url) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise LocalError(f"the server does not answer; its last lines:\n{read_tail(log)}")
        time.sleep(0.01)


def _ask(url: str) -> str | None:
    """Return what is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - http, loopback
            text: str = answer.read().decode()
            return text
    except OSError:
        return None
