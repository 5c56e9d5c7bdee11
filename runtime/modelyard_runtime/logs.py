"""Structured logs: one JSON object a line (or plain text for people), never a prompt or a secret.

A line has `time`, `level`, `logger`, `event`, what the caller gives as `extra`, `request_id` where
there is one, and `error` (a traceback) where there was one.
"""

import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

import orjson

#: The request that the current task works for; set by the request-id middleware.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")

#: What every record has; the rest of its attributes came as `extra`.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        line: dict[str, object] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO  event key=value`, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end; a traceback follows on lines of its own."""
        values = " ".join(f"{key}={_show(value)}" for key, value in _fields_of(record).items())
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{time} {record.levelname:<7} {record.getMessage()} {values}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(style: Literal["json", "text"]) -> None:
    """Send every logger's lines to standard error in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # uvicorn tells of its start and of every phase of its stop; our own lines say it once.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _show(value: object) -> str:
    """Return it on one line: what clients send (a path) must not look like lines of ours."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(value))


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    request_id = current_request_id.get()
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {"request_id": request_id, **given} if request_id else given
