"""Durations and times as Kubernetes writes them: `90s`, `1h30m`, `2026-11-22T10:00:00Z`."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

_MINUTE = 60
_PATTERN = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


def parse_seconds(text: str) -> int:
    """Return whole seconds.

    Raises:
        ValueError: text is empty or not of the form `1h30m`, `30m`, `90s`.
    """
    match = _PATTERN.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 30m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def format_seconds(seconds: float) -> str:
    """Return a duration for people, `0.4s`, `12.3s` or `2m5s`."""
    if seconds < _MINUTE:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if n)


def format_time(moment: datetime) -> str:
    """Return a time with its zone in UTC, to the second (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(text: str) -> str:
    parse_seconds(text)
    return text


Duration = Annotated[str, AfterValidator(_check)]
"""A duration kept as written; `parse_seconds` reads it."""

OptionalDuration = Annotated[str, AfterValidator(lambda text: _check(text) if text else text)]
"""A duration kept as written, or nothing."""
