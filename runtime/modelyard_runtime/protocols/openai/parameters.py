"""OpenAI's parameters that this server does not have: refused by name, never ignored.

Clients often send a parameter at the value that asks for nothing (`parallel_tool_calls: true`,
`tools: null`): those values, and null always, are accepted. So are parameters that inform the
provider and cannot change an answer: `user`, `safety_identifier`, `metadata`, `prompt_cache_key`.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from modelyard_runtime.schema import unsupported


class Unsupported:
    """Annotation: all but null, and those values that ask for nothing, is refused."""

    def __init__(self, *, unless: Sequence[object] = ()) -> None:
        self._no_effect = unless

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Replace the field's validation."""
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Document what is accepted."""
        return {"enum": [None, *self._no_effect], "description": "Not supported."}

    def _check(self, value: object) -> object:
        if value is None or any(_same(value, accepted) for accepted in self._no_effect):
            return value
        raise unsupported()


def _same(value: object, accepted: object) -> bool:
    # In Python False == 0, in JSON it is not.
    return value == accepted and isinstance(value, bool) == isinstance(accepted, bool)
