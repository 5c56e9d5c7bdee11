"""Everything this package raises on purpose.

LocalError                 a message with its cause and cure, printed without a traceback
├── RequirementsMissing    this machine lacks something; lists all that it lacks at once
├── CommandFailed          a program we ran failed; carries its last lines and its log
└── WaitTimedOut           a state did not come in time; says which
"""

from collections.abc import Sequence
from pathlib import Path


class LocalError(Exception):
    """A failure that a person can act on."""


class RequirementsMissing(LocalError):
    """This machine lacks something; `problems` are lines of cause and cure."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "this machine is not ready:\n" + "\n".join(f"  - {line}" for line in problems)
        )
        self.problems = tuple(problems)


class CommandFailed(LocalError):
    """A program ended with an error."""

    def __init__(self, title: str, code: int, tail: str, log: Path | None = None) -> None:
        where = f"\nwhole log: {log}" if log else ""
        super().__init__(
            f"{title}: failed with exit status {code}; its last lines:\n{tail.rstrip()}{where}"
        )
        self.code = code
        self.tail = tail


class WaitTimedOut(LocalError):
    """A state did not come in time."""
