"""What tasks that make a text of a text have in common."""

from dataclasses import dataclass

from typing_extensions import TypedDict


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The text that was made; `tokens` were read for it and `completion_tokens` generated."""

    text: str
    tokens: int
    completion_tokens: int


class RewrittenAnswer(TypedDict):
    """The text that was made."""

    text: str
