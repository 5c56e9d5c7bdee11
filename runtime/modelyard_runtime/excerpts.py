"""Pieces of values for messages: short, on one line, and harmless to a terminal."""

import json
from typing import Any


def excerpt(value: Any, room: int) -> str:
    """Return a value of JSON as text of so many characters, and how long it was if it was cut."""
    return excerpt_text(json.dumps(value, ensure_ascii=False), room)


def excerpt_text(text: str, room: int) -> str:
    """Return the beginning of a text; what cannot be printed is escaped."""
    # Cut first: an answer may have megabytes.
    clean = "".join(map(_escape, text[: room + 1]))
    if len(clean) <= room:
        return clean
    return f"{clean[:room]}… ({len(text)} characters)"


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
