"""What a request has used, added up where it is known, and read where the request ends."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Usage:
    """The account of one request.

    `units` is for what tokens do not measure, by name: `items`, `audio_seconds`,
    `explanation_steps`. `model` is the name that the request asked for; empty is the model's own.
    """

    owner: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    units: dict[str, float] = field(default_factory=dict)

    def add(
        self,
        *,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        units: Mapping[str, float] | None = None,
    ) -> None:
        """Add to it."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        for name, count in (units or {}).items():
            self.units[name] = self.units.get(name, 0) + count


#: The account of the request that the current task, and those it starts, work for.
_current: ContextVar[Usage | None] = ContextVar("current_usage", default=None)


def open_usage() -> Usage:
    """Begin the account of a request."""
    usage = Usage()
    _current.set(usage)
    return usage


def current_usage() -> Usage:
    """Return the account of this request; one that nobody reads, where none was begun."""
    return _current.get() or Usage()
