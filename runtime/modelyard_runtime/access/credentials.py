"""The API key that a request presents. Pure."""

import base64
import re
from collections.abc import Iterable
from typing import Final

_AUTHORIZATION: Final = b"authorization"
_API_KEY: Final = b"x-api-key"
_BASIC: Final = re.compile(rb"[Bb][Aa][Ss][Ii][Cc] +(.*)", re.DOTALL)
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(.*)", re.DOTALL)
#: Visible ASCII: what can stand in a header everywhere.
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,512}")


def find_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the key in `Authorization: Bearer KEY`, else in `X-API-Key: KEY`.

    `headers` are pairs of lower-case name and value. A header that is there twice says nothing: a
    proxy on the way may have judged by the other one.
    """
    given: dict[bytes, list[bytes]] = {_AUTHORIZATION: [], _API_KEY: []}
    for name, value in headers:
        if name in given:
            given[name].append(value)
    if any(len(values) > 1 for values in given.values()):
        return None
    bearers = [found[1] for value in given[_AUTHORIZATION] if (found := _BEARER.fullmatch(value))]
    for candidate in (*bearers, *given[_API_KEY]):
        return candidate if _KEY.fullmatch(candidate) else None
    return None


def find_page_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the key as find_key does, or the password of HTTP Basic (RFC 7617), whatever the name.

    For pages that a browser opens by their address: it asks for name and password, and sends them
    with whatever it loads from there, unasked. So nothing that does something may take them.
    """
    known = tuple(headers)
    key = find_key(known)
    if key is not None:
        return key
    presented = [(name, value) for name, value in known if name in {_AUTHORIZATION, _API_KEY}]
    match presented:
        case [(name, login)] if name == _AUTHORIZATION:
            return _read_password(login)
        case _:
            return None


def _read_password(login: bytes) -> bytes | None:
    found = _BASIC.fullmatch(login)
    if found is None:
        return None
    try:
        decoded = base64.b64decode(found[1], validate=True)
    except ValueError:
        return None
    _, _, password = decoded.partition(b":")
    return password if _KEY.fullmatch(password) else None
