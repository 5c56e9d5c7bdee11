"""The one line of a log's end that says why the process ended. Pure."""

import re

import orjson

_TRACEBACK = "Traceback (most recent call last)"
#: `module.Error: what` where a traceback ends: the first line that is not indented any more.
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?::\s.*|$)")
#: What interpreters and the C library say in their last moment.
_FATAL = re.compile(
    r"(?:Fatal Python error|terminate called|Segmentation fault|Illegal instruction|Bus error"
    r"|exec .*: |panic: |OCI runtime)"
)
_BAD_LEVELS = frozenset({"error", "critical"})


def find_last_words(log: str) -> str:
    """Return the exception of the last traceback, else what was logged last as an error, else ''.

    The log is the end of one, so it may begin in the middle of a traceback.
    """
    lines = log.rstrip().splitlines()
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if line.startswith("{"):
            told = _read_json_line(line)
        elif _FATAL.match(line) or _ends_traceback(lines, number):
            told = line
        else:
            continue
        if told:
            return told.strip()
    return ""


def _ends_traceback(lines: list[str], number: int) -> bool:
    is_after_frame = number > 0 and lines[number - 1].startswith((" ", "\t"))
    return is_after_frame and _EXCEPTION.fullmatch(lines[number]) is not None


def _read_json_line(line: str) -> str:
    """Read a line of the runtime's own log, which carries a traceback in one field."""
    try:
        fields = orjson.loads(line)
    except ValueError:
        return ""
    if not isinstance(fields, dict):
        return ""
    error = fields.get("error")
    if isinstance(error, str) and _TRACEBACK in error:
        return find_last_words(error)
    if fields.get("level") in _BAD_LEVELS:
        return str(fields.get("explanation") or fields.get("event") or "")
    return ""
