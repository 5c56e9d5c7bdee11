"""A log's lines as people read them: the runtime's JSON without its ceremony. Pure."""

import json
from typing import Any, Final

from modelyard_cli.plugin.text import clean_block, clip

_LONGEST: Final = 800
#: Fields of our log lines that have a place of their own, or none.
_PLACED: Final = frozenset({"time", "level", "logger", "event"})


def read_log_lines(text: str) -> list[str]:
    """Return cleaned lines; what is JSON of ours as `09:40:57 info listening port=8080`."""
    lines: list[str] = []
    for line in text.rstrip("\n").split("\n"):
        lines += clean_block(_rewrite(line)).split("\n")
    return [clip(line, _LONGEST) for line in lines]


def _rewrite(line: str) -> str:
    try:
        fields = json.loads(line)
    except ValueError:
        return line
    if not isinstance(fields, dict) or "event" not in fields:
        return line
    clock = str(fields.get("time", "")).partition("T")[2][:8]
    more = {name: _write(value) for name, value in fields.items() if name not in _PLACED}
    short = (f"{name}={value}" for name, value in more.items() if "\n" not in value)
    blocks = (value for value in more.values() if "\n" in value)  # a traceback
    parts = (clock, str(fields.get("level", "")), _write(fields["event"]), *short)
    return "\n".join([" ".join(part for part in parts if part), *blocks])


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
