"""Reads what the operator tells this process: one JSON document in an environment variable."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import ValidationError

from modelyard_api.document import Document
from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart

Config = TypeVar("Config", bound=Document)


def read_variable(
    environment: Mapping[str, str], variable: str, decode: Callable[[str], Config], *, hint: str
) -> Config:
    """Read the document in a variable.

    Raises:
        CannotStart: it is missing, or cannot be read.
    """
    try:
        return decode(environment[variable])
    except KeyError as error:
        raise CannotStart(Reason.CONFIG_INVALID, f"{variable} is not set", hint=hint) from error
    except ValidationError as error:
        complaints = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
        raise CannotStart(
            Reason.CONFIG_INVALID, f"{variable} is not valid: {complaints}", hint=hint
        ) from error
