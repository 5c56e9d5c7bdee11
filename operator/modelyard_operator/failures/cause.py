"""What is known of one pod's failure, and how the words for it are made. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.records import Exit, PodRecord


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a pod does not serve, and what a person can do. Only the last exit has a time."""

    reason: str
    message: str
    hint: str
    exit: Exit | None = None
    log_tail: str = ""


Explain = Callable[[ModelDeployment, PodRecord], Cause | None]


def end_sentence(text: str) -> str:
    """Return the text with a stop, unless it has one."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?", "…")) or not text else f"{text}."
