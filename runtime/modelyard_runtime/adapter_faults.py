"""What goes wrong with a LoRA adapter names it, and the fields of the spec that are its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from modelyard_runtime.errors import CannotStart

_FIELDS = ("uri", "revision", "secretRef")


@contextmanager
def naming_adapter(name: str) -> Iterator[None]:
    """Let what cannot start say whose fault it is; an empty name is the model itself."""
    try:
        yield
    except CannotStart as fault:
        if not name:
            raise
        message = f"The adapter {name!r} cannot be served: {_readdress(fault.message, name)}"
        raise CannotStart(fault.reason, message, hint=_readdress(fault.hint, name)) from fault


def _readdress(text: str, name: str) -> str:
    for field in _FIELDS:
        text = text.replace(f"spec.model.{field}", f"spec.model.adapters[{name}].{field}")
    return text
