"""Fields that hold a file: in JSON as base64, elsewhere as the bytes themselves."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

#: A request's size bounds what it carries; this bounds what becomes of it.
MAX_FILES = 16

Files = bytes | tuple[bytes, ...]
"""One file, or several to be answered by a list in the same order."""

_URL_SCHEMES = ("http:", "https:", "file:", "ftp:", "s3:", "gs:")


@dataclass(frozen=True, slots=True)
class Media:
    """What a task takes besides JSON: the field that a lone body is, and the types it may have."""

    field: str
    types: tuple[str, ...]


#: Any of these may be declared; what the file is, its first bytes say.
PICTURES = Media(
    "image", ("image/png", "image/jpeg", "image/webp", "image/gif", "application/octet-stream")
)
SOUNDS = Media(
    "audio",
    (
        *("audio/wav", "audio/x-wav", "audio/vnd.wave", "audio/flac", "audio/x-flac"),
        *("audio/ogg", "audio/mpeg", "audio/mp3", "application/ogg", "application/octet-stream"),
    ),
)
#: A red square, for documents.
EXAMPLE_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAK0lEQVR42u3NQQEAQAQAMC6NELLLdiX4bQWW0xWXXhwT"
    "CAQCgUAgEAgEWz5LkwFinIGOqQAAAABJRU5ErkJggg=="
)
#: A tenth of a second of silence.
EXAMPLE_SOUND = (
    "ZkxhQwAAACIQABAAAAANAAANAfQA8AAAAyBq0A9H2K1PEgBbIrLKpI94hAAAKCAAAAByZWZlcmVuY2UgbGliRkxBQyAx"
    "LjQuMyAyMDIzMDYyMwAAAAD/+HQIAAMf9wAAAEr4"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file, as it came."""

    data: bytes = field(repr=False)


class Base64Files:
    """Annotation of a field of files: each is base64 or a data: URL in JSON, and else bytes."""

    def __init__(self, what: str, *, max_files: int = MAX_FILES) -> None:
        self._what = what
        self._max_files = max_files

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Replace the field's validation."""
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Document what is accepted."""
        one = {"type": "string", "contentEncoding": "base64", "minLength": 1}
        described = {"description": f"{self._what} in base64, or as a data: URL."}
        if self._max_files == 1:
            return {**one, **described}
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": self._max_files}
        return {"anyOf": [one, many], **described}

    def _read(self, value: object) -> Files:
        if not isinstance(value, list | tuple) or self._max_files == 1:
            return self._read_one(value, self._what)
        if not 0 < len(value) <= self._max_files:
            raise PydanticCustomError(
                "invalid_value",
                "{count} of them; send 1 to {most} in one request",
                {"count": len(value), "most": self._max_files},
            )
        return tuple(
            self._read_one(one, f"number {place} of {self._what}")
            for place, one in enumerate(value)
        )

    def _read_one(self, value: object, what: str) -> bytes:
        if isinstance(value, bytes):
            data = value
        elif isinstance(value, str):
            data = _decode(value, what)
        else:
            raise _invalid("{what} must be text in base64", what, kind="invalid_type")
        if not data:
            raise _invalid("{what} is empty", what)
        return data


def split_files(files: Files) -> tuple[bytes, ...]:
    """Return the files, one or more."""
    return (files,) if isinstance(files, bytes) else files


def _decode(text: str, what: str) -> bytes:
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise _invalid("{what} is a data: URL that is not in base64 (data:…;base64,…)", what)
    elif text[:8].lower().startswith(_URL_SCHEMES):
        raise _invalid(
            "{what} is a URL, and this server fetches none; send the file itself, in base64", what
        )
    try:
        # Tools break lines after 76 letters.
        unbroken = text.replace("\n", "").replace("\r", "")
        return base64.b64decode(unbroken, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("{what} is not valid base64", what) from error


def _invalid(message: str, what: str, *, kind: str = "invalid_value") -> PydanticCustomError:
    # Names that end in `_type` mark a wrong type for schema.explain.
    return PydanticCustomError(kind, message, {"what": what})
