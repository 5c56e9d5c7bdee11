"""JSON log lines, each with the key and the id of the reconcile that it belongs to."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson

_context: ContextVar[dict[str, Any] | None] = ContextVar("modelyard_log_context", default=None)
_ids = count(1)


@contextmanager
def reconcile_context(key: object) -> Iterator[None]:
    """Name the key, and number the reconcile, in every line logged inside."""
    token = _context.set({"key": str(key), "reconcile": next(_ids)})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_context.get() or {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def set_up_logging(level: str) -> None:
    """Log to standard error from `level` (`info`, …) up, without kopf's line for every event."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("kopf.objects", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
