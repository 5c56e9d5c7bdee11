"""Where a request's key stands, and where none does."""

import base64

import pytest

from modelyard_runtime.access.credentials import find_key, find_page_key

KEYS = [
    pytest.param([(b"authorization", b"Bearer k")], b"k", id="as OAuth has it"),
    pytest.param([(b"authorization", b"bEARER   k")], b"k", id="any case, more spaces"),
    pytest.param([(b"x-api-key", b"k")], b"k", id="in a header of its own"),
    pytest.param(
        [(b"authorization", b"Basic YTpi"), (b"x-api-key", b"k")],
        b"k",
        id="beside a login that a proxy asks for",
    ),
    pytest.param(
        [(b"x-api-key", b"other"), (b"authorization", b"Bearer k")],
        b"k",
        id="in both: Authorization counts",
    ),
    pytest.param([(b"authorization", b"Bearer " + b"k" * 512)], b"k" * 512, id="as long as may be"),
    pytest.param([], None, id="no header"),
    pytest.param([(b"authorization", b"k")], None, id="no scheme"),
    pytest.param([(b"authorization", b"Bearer")], None, id="no key"),
    pytest.param([(b"authorization", b"Bearer ")], None, id="an empty key"),
    pytest.param([(b"authorization", b"Bearerk")], None, id="no space"),
    pytest.param([(b"authorization", b"Bearer\tk")], None, id="a tab"),
    pytest.param([(b"authorization", b"Bearer k ")], None, id="a space behind"),
    pytest.param([(b"authorization", b"Bearer k l")], None, id="two words"),
    pytest.param([(b"authorization", b"Token k")], None, id="another scheme"),
    pytest.param([(b"authorization", b"Bearer k\x00")], None, id="NUL"),
    pytest.param([(b"authorization", b"Bearer k\n")], None, id="a line's end"),
    pytest.param([(b"authorization", "Bearer ｋ".encode())], None, id="a letter that looks alike"),
    pytest.param([(b"authorization", b"Bearer " + b"k" * 513)], None, id="too long"),
    pytest.param([(b"x-api-key", b"")], None, id="an empty header"),
    pytest.param(
        [(b"authorization", b"Bearer "), (b"x-api-key", b"k")],
        None,
        id="an empty key before a good one",
    ),
    pytest.param(
        [(b"authorization", b"Bearer k"), (b"authorization", b"Bearer k")],
        None,
        id="Authorization twice",
    ),
    pytest.param(
        [(b"authorization", b"Bearer k"), (b"authorization", b"Basic YTpi")],
        None,
        id="Authorization twice, of two schemes",
    ),
    pytest.param([(b"x-api-key", b"k"), (b"x-api-key", b"l")], None, id="X-API-Key twice"),
    pytest.param([(b"x_api_key", b"k"), (b"api-key", b"k")], None, id="names that look alike"),
    pytest.param([(b"proxy-authorization", b"Bearer k")], None, id="the proxy's"),
    pytest.param([(b"cookie", b"key=k")], None, id="a cookie"),
]


@pytest.mark.parametrize(("headers", "key"), KEYS)
def test_a_key_is_found_in_two_places_and_no_other(headers, key):
    assert find_key(headers) == key


def basic(login):
    return b"authorization", b"Basic " + base64.b64encode(login)


LOGINS = [
    pytest.param([basic(b"alice:k")], b"k", id="a password"),
    pytest.param([basic(b":k")], b"k", id="no name"),
    pytest.param([basic(b"a:k:l")], b"k:l", id="a colon in the password"),
    pytest.param([(b"authorization", b"bASIC   OmsK")], None, id="a line's end in it"),
    pytest.param([(b"authorization", b"bASIC   Oms=")], b"k", id="any case, more spaces"),
    pytest.param([(b"authorization", b"Bearer k")], b"k", id="as everywhere else"),
    pytest.param([(b"x-api-key", b"k")], b"k", id="as everywhere else, in a header of its own"),
    pytest.param([basic(b"alice:l"), (b"x-api-key", b"k")], b"k", id="both: the header counts"),
    pytest.param([], None, id="nothing"),
    pytest.param([basic(b"k")], None, id="no colon"),
    pytest.param([basic(b"k:")], None, id="no password"),
    pytest.param([basic(b"a:k l")], None, id="a space in it"),
    pytest.param([basic(b"a:" + b"k" * 513)], None, id="too long"),
    pytest.param([(b"authorization", b"Basic k")], None, id="a key without base64"),
    pytest.param([(b"authorization", b"Basic")], None, id="nothing behind the scheme"),
    pytest.param([basic(b"a:k"), basic(b"a:k")], None, id="twice"),
    pytest.param([basic(b"a:k"), (b"authorization", b"Bearer k")], None, id="of two schemes"),
    pytest.param([basic(b"a:k"), (b"x-api-key", b"")], None, id="beside an empty header"),
    pytest.param([(b"proxy-authorization", b"Basic Oms=")], None, id="the proxy's"),
]


@pytest.mark.parametrize(("headers", "key"), LOGINS)
def test_a_page_takes_a_key_as_password_too(headers, key):
    assert find_page_key(headers) == key


def test_a_password_is_no_key_elsewhere():
    assert find_key([basic(b"alice:k")]) is None
