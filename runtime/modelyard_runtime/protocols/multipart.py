"""Multipart forms, read in memory: parts are bounded in number, texts in length, files by the body.

Starlette's own reader would write files to a disk, which a pod may not have.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from modelyard_runtime.errors import InvalidRequest

_MAX_PARTS = 32
_MAX_TEXT_BYTES = 64 * 1024
_MAX_BOUNDARY = 70  # RFC 2046
_MAX_NAME_BYTES = 256


@dataclass(slots=True)
class Part:
    """One part of a form; a file is what came with a file's name."""

    name: str
    is_file: bool
    data: bytearray = field(default_factory=bytearray)


async def read_parts(content_type: str, stream: AsyncIterator[bytes]) -> list[Part]:
    """Return the parts of a form, in order.

    Raises:
        InvalidRequest: it is no form, ends early, or has too much of something.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise _invalid(f"its Content-Type needs a boundary of 1 to {_MAX_BOUNDARY} characters")
    reading = _Reading()
    parser = python_multipart.MultipartParser(
        boundary,
        {
            "on_part_begin": reading.begin_part,
            "on_header_field": reading.add_header_name,
            "on_header_value": reading.add_header_value,
            "on_header_end": reading.end_header,
            "on_headers_finished": reading.end_headers,
            "on_part_data": reading.add_data,
            "on_end": reading.end,
        },
    )
    try:
        async for piece in stream:
            parser.write(piece)
    except FormParserError as error:
        raise _invalid(str(error)) from error
    if not reading.is_complete:
        raise _invalid("it ends before its last boundary")
    return reading.parts


class _Reading:
    """What the parser has found so far."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""

    def begin_part(self) -> None:
        if len(self.parts) == _MAX_PARTS:
            raise _invalid(f"it has more than {_MAX_PARTS} parts")
        self._disposition = b""

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        if not 0 < len(name) <= _MAX_NAME_BYTES:
            raise _invalid("a part has no name, or a very long one")
        self.parts.append(Part(name.decode(errors="replace"), b"filename" in options))

    def add_data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.data += data[start:end]
        if not part.is_file and len(part.data) > _MAX_TEXT_BYTES:
            raise InvalidRequest(
                f"{part.name!r} is longer than {_MAX_TEXT_BYTES} bytes; send a file with a "
                "filename",
                param=part.name,
            )

    def end(self) -> None:
        self.is_complete = True


def _invalid(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The form cannot be read: {problem}.", code="invalid_form")
