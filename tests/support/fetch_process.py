"""`python -m modelyard_runtime fetch` as a process of its own, against the tests' hub."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard_api.fetch import FetchConfig
from modelyard_api.report import RuntimeReport, decode_report
from tests.support.waiting import wait_for


@dataclass(frozen=True)
class Outcome:
    """How a process ended, and what it said."""

    code: int
    log: str
    output: str
    report: RuntimeReport | None

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == name]

    @property
    def error(self) -> tuple[str, str, str]:
        """Reason, message and hint, as the kubelet gets them."""
        assert self.report is not None, self.log
        assert self.report.error is not None, self.log
        return (self.report.error.reason, self.report.error.message, self.report.error.hint)


@dataclass(frozen=True)
class Place:
    """Where a fetch works: its volume, its Secret, and where it writes its last words."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Place":
        place = cls(root)
        place.volume.mkdir()
        return place

    @property
    def volume(self) -> Path:
        return self.root / "volume"

    @property
    def model(self) -> Path:
        return self.volume / "model"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    def add_secret(self, **keys: str) -> None:
        self.secret.mkdir()
        for key, value in keys.items():
            (self.secret / key).write_text(value)


class FetchProcess:
    """A running fetch."""

    def __init__(self, process: subprocess.Popen[str], log: Path, last_words: Path) -> None:
        self.process = process
        self._log = log
        self._last_words = last_words

    def says(self, event: str) -> None:
        """Wait for a line of the log."""
        wait_for(
            lambda: f'"event":"{event}"' in self._log.read_text(),
            what=f"the log says {event}",
            seconds=60,
            told=self._log.read_text,
        )

    def ends(self, *, seconds: float = 60) -> Outcome:
        """Wait for the end."""
        output, _ = self.process.communicate(timeout=seconds)
        report = decode_report(self._last_words.read_text())
        return Outcome(self.process.returncode, self._log.read_text(), output, report)


@contextmanager
def started(
    config: FetchConfig | str,
    *arguments: str,
    room: Path,
    prefix: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[FetchProcess]:
    """Start a fetch; it is killed at the end if it still runs. `room` is for its words."""
    number = len(list(room.glob("*.log")))
    log, last_words = room / f"{number}.log", room / f"{number}.message"
    last_words.touch()
    text = config if isinstance(config, str) else config.model_dump_json(by_alias=True)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
        "MODELYARD_FETCH": text,
        "MODELYARD_TERMINATION_LOG": str(last_words),
        **(variables or {}),
    }
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "modelyard_runtime", "fetch", *arguments],
            env=environment,
            stderr=stderr,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        yield FetchProcess(process, log, last_words)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(config: FetchConfig | str, *arguments: str, room: Path, **options: Any) -> Outcome:
    """Run a fetch to its end."""
    with started(config, *arguments, room=room, **options) as fetch:
        return fetch.ends()
