"""Text for a terminal: cleaned, measured, wrapped, clipped. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*m")
_UID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: What makes two reports of the same thing differ: a pod's uid, and the port it was probed from.
_NOISE: Final = re.compile(rf"_[a-z0-9-]+\({_UID}\)|\({_UID}\)|[0-9.]+:\d+->")
#: Invisible, and needed inside words of some languages and inside pictures.
_JOINERS: Final = "\u200c\u200d"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_FINE = 3  # units up to which the next smaller one is told as well: 2m30s, but 12m
_BEYOND_16_BITS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours, where the terminal has them."""

    is_on: bool = False

    def good(self, text: str) -> str:
        """Return text in green."""
        return self._paint(text, "32")

    def bad(self, text: str) -> str:
        """Return text in red."""
        return self._paint(text, "31")

    def waiting(self, text: str) -> str:
        """Return text in yellow."""
        return self._paint(text, "33")

    def title(self, text: str) -> str:
        """Return text in bold."""
        return self._paint(text, "1")

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.is_on and text else text


def clean(text: str) -> str:
    """Return one line in which nothing can steer a terminal or turn the direction of writing.

    Whatever wrote the text (a log, a registry, a spec) may be hostile.
    """
    return "".join(_clean_character(c) for c in _COLOUR_CODES.sub("", " ".join(text.split())))


def clean_message(text: str) -> str:
    """Return a message of Kubernetes, cleaned, without what no person reads."""
    return _NOISE.sub("", clean(text))


def clean_block(text: str) -> str:
    """Return lines of text, each cleaned; indents stay."""
    lines = _COLOUR_CODES.sub("", text).expandtabs(4).split("\n")
    return "\n".join("".join(map(_clean_character, line.rstrip("\r"))) for line in lines)


def clean_json(document: str) -> str:
    """Return JSON in which what `clean` would replace is escaped: the same document."""
    return "".join(c if c == "\n" or _is_harmless(c) else _escape_json(c) for c in document)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS


def _clean_character(character: str) -> str:
    if _is_harmless(character):
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode()


def _escape_json(character: str) -> str:
    code = ord(character)
    if code <= _BEYOND_16_BITS:
        return f"\\u{code:04x}"
    pair = character.encode("utf-16-be").hex()
    return f"\\u{pair[:4]}\\u{pair[4:]}"


def measure(text: str) -> int:
    """Return how many columns a cleaned text takes."""
    return sum(map(_measure_character, text))


def _measure_character(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def pad(text: str, columns: int) -> str:
    """Return text, filled up to a width."""
    return text + " " * (columns - measure(text))


def clip(text: str, columns: int) -> str:
    """Return text that is no wider; what is cut off is marked."""
    if measure(text) <= columns:
        return text
    return _split(text, columns - 1)[0].rstrip() + "…"


def _split(text: str, columns: int) -> tuple[str, str]:
    """Return as much as fits, at least one character, and the rest."""
    width = 0
    for index, character in enumerate(text):
        width += _measure_character(character)
        if width > columns and index:
            return text[:index], text[index:]
    return text, ""


def wrap(text: str, columns: int, *, first: str = "", later: str = "") -> list[str]:
    """Return text as lines of at most so many columns, the indents `first` and `later` included."""
    lines: list[str] = []
    line, is_empty = first, True
    for word in text.split(" "):
        rest = word
        while rest:
            gap = "" if is_empty else " "
            if measure(line + gap + rest) <= columns:
                line, is_empty, rest = line + gap + rest, False, ""
            elif not is_empty:
                lines.append(line)
                line, is_empty = later, True
            else:
                piece, rest = _split(rest, columns - measure(line))
                line, is_empty = line + piece, False
    return [*lines, line]


def align(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(measure, column)) for column in zip(*rows, strict=True)]
    return [
        gap.join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def read_time(text: str) -> datetime | None:
    """Return a time as Kubernetes writes it, None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def tell_age(since: datetime | None, now: datetime) -> str:
    """Return how long ago something was, `45s`, `2m30s`, `12m`, `3h`, `5d`."""
    if since is None:
        return "?"
    seconds = max(int((now - since).total_seconds()), 0)
    for unit, letter, below, small in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "m")):
        if seconds >= unit:
            return _tell(seconds, unit, letter, below, small)
    return _tell(seconds, _MINUTE, "m", 1, "s") if seconds >= _MINUTE else f"{seconds}s"


def _tell(seconds: int, unit: int, letter: str, below: int, small: str) -> str:
    whole, rest = seconds // unit, seconds % unit // below
    return f"{whole}{letter}{rest}{small}" if whole < _FINE and rest else f"{whole}{letter}"
