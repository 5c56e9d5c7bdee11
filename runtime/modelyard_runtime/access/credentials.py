"""The API key that a request presents. Pure."""

import re
from collections.abc import Iterable
from typing import Final

_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(.*)", re.DOTALL)
#: Visible ASCII: what can stand in a header everywhere.
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,512}")


def find_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the key in `Authorization: Bearer KEY`, else in `X-API-Key: KEY`.

    `headers` are pairs of lower-case name and value. A header that is there twice says nothing: a
    proxy on the way may have judged by the other one.
    """
    given: dict[bytes, list[bytes]] = {b"authorization": [], b"x-api-key": []}
    for name, value in headers:
        if name in given:
            given[name].append(value)
    if any(len(values) > 1 for values in given.values()):
        return None
    bearers = [found[1] for value in given[b"authorization"] if (found := _BEARER.fullmatch(value))]
    for candidate in (*bearers, *given[b"x-api-key"]):
        return candidate if _KEY.fullmatch(candidate) else None
    return None
