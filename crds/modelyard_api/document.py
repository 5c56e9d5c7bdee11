"""The base of every type in this package: frozen, camelCase outside, snake_case inside."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Document(BaseModel):
    """A lenient reader: unknown fields are ignored.

    The API server has refused or pruned them already, and an older operator or runtime must
    survive a newer peer.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    def dump(self) -> dict[str, Any]:
        """Return the document as plain JSON data in camelCase, without fields at their default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def encode_variable(self) -> str:
        """Return the document as the value of an environment variable in a pod template."""
        text = json.dumps(self.dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return escape_variable(text)


def escape_variable(text: str) -> str:
    """Return a value for an environment variable in a pod template that arrives as it is.

    Every `$` is doubled, since the kubelet expands `$(NAME)` and turns `$$` back into `$`.
    """
    return text.replace("$", "$$")
