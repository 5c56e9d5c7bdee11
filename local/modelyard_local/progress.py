"""Long steps: what is being done, a sign of life, how long it took, and where the log is."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import CommandFailed, LocalError, WaitTimedOut

Report = Callable[[str], None]

_QUIET_SECONDS = 2.0
_HEARTBEAT_SECONDS = 15.0
_TAIL_BYTES = 2000


def to_stderr(line: str) -> None:
    """Progress on standard error, at once, where standard output holds results."""
    print(line, file=sys.stderr, flush=True)


class Pulse:
    """Says that a step began once it lasts two seconds, then that it goes on, then its time."""

    def __init__(self, title: str, report: Report, log: Path | None = None) -> None:
        self._title, self._report = title, report
        self._log = f", log: {log}" if log else ""
        self._began = time.monotonic()
        self._last: float | None = None

    @property
    def elapsed_seconds(self) -> float:
        """Time since the step began."""
        return time.monotonic() - self._began

    def beat(self) -> None:
        """Called often; speaks seldom."""
        now = self.elapsed_seconds
        if self._last is None and now >= _QUIET_SECONDS:
            self._report(f"{self._title} …{self._log}")
            self._last = now
        elif self._last is not None and now - self._last >= _HEARTBEAT_SECONDS:
            self._report(f"{self._title}: {now:.0f} s so far{self._log}")
            self._last = now

    def end(self) -> None:
        """The step is done; its time is told if it was long enough to be announced."""
        if self._last is not None:
            self._report(f"{self._title}: {self.elapsed_seconds:.1f} s")


@contextmanager
def pulsing(title: str, report: Report) -> Iterator[None]:
    """A sign of life for a step that blocks."""
    pulse, ended = Pulse(title, report), threading.Event()

    def beat() -> None:
        while not ended.wait(0.2):
            pulse.beat()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    pulse.end()


def run_logged(
    argv: Sequence[str | Path],
    *,
    title: str,
    log: Path,
    report: Report,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a program with its output in `log`; raise CommandFailed if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    pulse = Pulse(title, report, log)
    with log.open("ab") as output:
        start = output.tell()
        try:
            process = subprocess.Popen(
                argv,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=env,
                cwd=cwd,
                start_new_session=True,  # so that an interrupt ends the whole tree
            )
        except OSError as error:
            raise LocalError(f"{title}: cannot run {argv[0]}: {error}") from error
        with process, _killed_on_error(process):
            while True:
                try:
                    code = process.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    pulse.beat()
    if code:
        raise CommandFailed(title, code, read_tail(log, start), log)
    pulse.end()


def read_tail(log: Path, start: int = 0) -> str:
    """The last lines of a log, from `start` on."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - _TAIL_BYTES))
        return file.read().decode(errors="replace")


@contextmanager
def _killed_on_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def wait_until(
    happened: Callable[[], bool],
    *,
    title: str,
    timeout_seconds: float,
    report: Report,
    interval_seconds: float = 0.1,
) -> None:
    """Wait for a state, looking often; raise WaitTimedOut when it does not come."""
    pulse = Pulse(title, report)
    while not happened():
        if pulse.elapsed_seconds > timeout_seconds:
            raise WaitTimedOut(f"{title}: not so after {timeout_seconds:.0f} s")
        pulse.beat()
        time.sleep(interval_seconds)
    pulse.end()
