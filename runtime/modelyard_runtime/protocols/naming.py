"""Faults name fields as the domain does; clients know them by their protocol's names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from modelyard_runtime.errors import InvalidRequest

#: What an engine or the service calls the text it was given.
_TEXT = frozenset({"prompt", "messages", "input"})


@contextmanager
def naming_text(field: str) -> Iterator[None]:
    """Let a fault about the text name the field that it came from."""
    with naming_fields(dict.fromkeys(_TEXT, field)):
        yield


@contextmanager
def naming_fields(fields: Mapping[str, str]) -> Iterator[None]:
    """Let a fault about one of these name the field that it came from."""
    try:
        yield
    except InvalidRequest as fault:
        if fault.param is not None:
            fault.param = fields.get(fault.param, fault.param)
        raise
