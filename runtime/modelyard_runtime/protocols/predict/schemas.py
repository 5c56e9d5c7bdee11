"""The plain envelope of errors."""

from typing_extensions import TypedDict


class ErrorDetail(TypedDict):
    """What went wrong, and in which field."""

    code: str
    message: str
    field: str | None


class ErrorAnswer(TypedDict):
    """The envelope of an error."""

    error: ErrorDetail
