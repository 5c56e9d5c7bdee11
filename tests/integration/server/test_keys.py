"""Attacks on a port that asks for keys, byte by byte: 401 everywhere but at the probes."""

import asyncio
import base64
import re

import pytest
import pytest_asyncio

from modelyard_cli.key import hash_key
from modelyard_runtime.access.gate import Gate
from modelyard_runtime.access.key_folder import open_keys
from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.mounted_secret import MountedSecret, hashes
from tests.support.runtime_server import running

SOON = 10
KEY = "mdl_the-key-of-alice"
BEARER = f"Authorization: Bearer {KEY}"


#: One server for all of them: none of these requests changes it.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets") / "keys"
    secret = MountedSecret(folder, {"alice": hashes(KEY), "bob": hashes("mdl_bob")})
    gate = Gate(keys=open_keys(secret.path))
    async with running(FakeGenerationEngine(), gate=gate) as server:
        yield server


def request(target, *headers, method="GET", version="1.1", body=""):
    sized = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    lines = [f"{method} {target} HTTP/{version}", "Host: x", *sized, *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


async def talk(server, *pieces):
    """Send the pieces, and return all that is answered until the server is silent or gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()


async def ask(server, *requests):
    """Return the status of every answer on one connection, which the last request closes."""
    answer = await talk(server, *requests)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


CLOSE = "Connection: close"

PATHS = [
    *("/", "/v1/models", "/v1/models/tiny", "/predict", "/openapi.json", "/docs", "/nothing"),
    *("/metrics", "/report", "//livez", "/livez/", "/livez//", "/./livez", "/v1/../livez"),
    *("/livez/../v1/models", "/livez/..%2fv1/models", "/livez%2f", "/%6civez", "/livez%00"),
    *("/livez%20", "/livez;x", "/livez;/../v1/models", "/livez%3f", "/livez%23x", "/LIVEZ"),
    *("/Livez", "/livezz", "/readyz/v1/models", "/startupz.json", "/v1/models?/livez"),
    *("/v1/models?api_key=" + KEY, "/v1/models?key=" + KEY, "/v1/models#/livez"),
    *("*", "http://x/v1/models", "http://livez/v1/models", "http://x//livez", "HTTP://X/LIVEZ"),
]


@pytest.mark.parametrize("target", PATHS)
async def test_no_spelling_of_a_path_opens_the_door(target, server):
    assert await ask(server, request(target, CLOSE)) == [401]


METHODS = ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]


@pytest.mark.parametrize("method", METHODS)
async def test_no_method_does(method, server):
    assert await ask(server, request("/v1/models", CLOSE, method=method)) == [401]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_a_probe_is_for_looking_at_only(method, server):
    assert await ask(server, request("/livez", CLOSE, method=method)) == [401]


UNREADABLE = [
    pytest.param("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", id="a proxy's method"),
    pytest.param(request("/v1/models", "Authorization: Bearer k\0").decode(), id="NUL in a header"),
    pytest.param(
        request("/v1/models", "Authorization : Bearer k").decode(), id="a space in a name"
    ),
]


@pytest.mark.parametrize("text", UNREADABLE)
async def test_what_cannot_be_read_is_not_answered(text, server):
    answer = await talk(server, text.encode("latin-1"))
    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", answer) == [b"400"]


KEYS = [
    pytest.param(["Authorization: Bearer none"], id="a wrong key"),
    pytest.param([f"Authorization: Bearer {KEY[:-1]}"], id="a letter too few"),
    pytest.param([f"Authorization: Bearer {KEY}x"], id="a letter too many"),
    pytest.param([f"Authorization: Bearer {KEY.upper()}"], id="upper case"),
    pytest.param([f"Authorization: Bearer {hash_key(KEY)}"], id="the hash that the Secret holds"),
    pytest.param(["Authorization: Bearer alice"], id="the owner's name"),
    pytest.param(["Authorization: Bearer"], id="no key behind the scheme"),
    pytest.param([f"Authorization: {KEY}"], id="no scheme"),
    pytest.param([f"Authorization: Basic {KEY}"], id="another scheme"),
    pytest.param([f"Authorization: Bearer {KEY} x"], id="two words"),
    pytest.param([f"Authorization: Bearer\t{KEY}"], id="a tab"),
    pytest.param([f"Authorization: Bearer {KEY}\xe9"], id="a letter beyond ASCII"),
    pytest.param([f"Authorization: Bearer {'x' * 30_000}"], id="30,000 letters"),
    pytest.param([BEARER, BEARER], id="the key twice"),
    pytest.param([BEARER, "Authorization: Bearer x"], id="a second key"),
    pytest.param([f"X-API-Key: {KEY}", f"X-API-Key: {KEY}"], id="the key twice, by X-API-Key"),
    pytest.param([f"X-API-Key: Bearer {KEY}"], id="a scheme where none belongs"),
    pytest.param([f"Api-Key: {KEY}"], id="another header"),
    pytest.param([f"X_API_Key: {KEY}"], id="a header spelled another way"),
    pytest.param([f"Proxy-Authorization: Bearer {KEY}"], id="the proxy's header"),
    pytest.param([f"Cookie: api_key={KEY}"], id="a cookie"),
    pytest.param(["X-Original-URL: /livez", "X-Rewrite-URL: /livez"], id="another address, named"),
    pytest.param(["X-HTTP-Method-Override: GET", "Host: livez"], id="another method and host"),
    pytest.param(["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"], id="from here"),
    pytest.param(
        ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
        id="a WebSocket",
    ),
    pytest.param(["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"], id="HTTP/2"),
]


@pytest.mark.parametrize("headers", KEYS)
async def test_no_key_but_one_in_force_opens_the_door(headers, server):
    assert await ask(server, request("/v1/models", *headers, CLOSE)) == [401]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_both_versions_of_http_ask_for_a_key(version, server):
    asked = request("/v1/models", CLOSE, version=version)
    with_key = request("/v1/models", BEARER, CLOSE, version=version)
    assert [await ask(server, asked), await ask(server, with_key)] == [[401], [200]]


WELCOME = [BEARER, "authorization: bearer mdl_bob", f"X-API-Key: {KEY}", f"x-api-KEY:{KEY}"]


@pytest.mark.parametrize("header", WELCOME)
async def test_a_key_in_force_opens_it(header, server):
    assert await ask(server, request("/v1/models", header, CLOSE)) == [200]


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/startupz", "/livez?x=/v1/models"])
async def test_probes_need_none(target, server):
    assert await ask(server, request(target, CLOSE)) == [200]


async def test_each_request_on_a_connection_needs_its_own_key(server):
    last = request("/v1/models", CLOSE)
    row = [request("/livez"), request("/v1/models", BEARER), request("/v1/models")]
    assert await ask(server, b"".join([*row, request("/v1/models", BEARER), last])) == [
        *(200, 200, 401, 200, 401)
    ]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_probe_can_be_looked_at_without_its_body(method, server):
    assert await ask(server, request("/readyz", CLOSE, method=method)) == [200]


async def test_a_key_behind_the_body_is_none(server):
    chunked = request("/v1/models", "Transfer-Encoding: chunked", CLOSE)
    assert await ask(server, chunked + f"0\r\n{BEARER}\r\n\r\n".encode()) == [401]


async def test_a_body_is_not_read_for_who_has_no_key(server):
    """The answer is there before a byte of the body, and what is sent then is no request."""
    hidden = request("/v1/models", BEARER).decode()
    head = request("/predict", f"Content-Length: {len(hidden)}", method="POST")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head)
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), SOON)
    assert answer.startswith(b"HTTP/1.1 401 ")
    writer.write(hidden.encode() + request("/livez", CLOSE))
    rest = await asyncio.wait_for(reader.read(), SOON)
    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", rest) == [b"200"]
    assert b'"status":"ok"' in rest
    writer.close()


def login(password, name="anybody"):
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


PAGES = ["/docs", "/docs/swagger-ui-bundle.js", "/docs/page.js?v=1", "/openapi.json"]


@pytest.mark.parametrize("target", PAGES)
async def test_a_browser_reads_the_page_with_a_key_as_its_password(target, server):
    for header, status in (
        (login(KEY), 200),
        (BEARER, 200),
        (login("mdl_none"), 401),
        (login("alice", name=KEY), 401),
        (f"Cookie: key={KEY}", 401),
    ):
        assert await ask(server, request(target, header, CLOSE)) == [status]


NO_PAGES = ["/v1/models", "/predict", "/docs/", "/d%6fcs", "/docs/../v1/models", "/OPENAPI.JSON"]


@pytest.mark.parametrize("target", NO_PAGES)
async def test_a_password_opens_nothing_else(target, server):
    assert await ask(server, request(target, login(KEY), CLOSE)) == [401]
    assert await ask(server, request(target, login(KEY), CLOSE, method="POST")) == [401]


async def test_the_page_can_be_read_with_a_password_and_not_be_posted_to(server):
    assert await ask(server, request("/docs", login(KEY), CLOSE, method="POST")) == [401]
    told = await talk(server, request("/docs", CLOSE))
    assert b"\r\nwww-authenticate: Basic realm=" in told


REFUSALS = [
    pytest.param(
        "/v1/models",
        b'{"error":{"message":"This needs an API key: send Authorization: Bearer KEY, or '
        b'X-API-Key: KEY.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}',
        id="OpenAI's",
    ),
    pytest.param(
        "/predict",
        b'{"error":{"code":"invalid_api_key","message":"This needs an API key: send '
        b'Authorization: Bearer KEY, or X-API-Key: KEY.","field":null}}',
        id="our own",
    ),
]


@pytest.mark.parametrize(("target", "body"), REFUSALS)
async def test_the_refusal_is_in_the_protocols_envelope_and_names_the_scheme(target, body, server):
    head, _, told = (await talk(server, request(target, CLOSE))).partition(b"\r\n\r\n")
    assert told == body
    assert b"\r\nwww-authenticate: Bearer\r\n" in head
    assert b"\r\nx-request-id: " in head


async def test_a_crowd_without_keys_takes_no_place_of_those_who_have_them(tmp_path):
    secret = MountedSecret(tmp_path / "keys", {"alice": hashes(KEY)})
    engine = FakeGenerationEngine()
    engine.gate.clear()
    gate = Gate(keys=open_keys(secret.path))
    async with running(engine, gate=gate, settings=Settings(max_requests=2)) as server:
        whole = request("/predict", BEARER, CLOSE, method="POST", body='{"text": "a"}')
        first = asyncio.create_task(ask(server, whole))
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        waiting = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        for _, writer in waiting:  # their bodies never come
            writer.write(request("/predict", "Content-Length: 9", method="POST"))
        answers = [await asyncio.wait_for(reader.read(12), SOON) for reader, _ in waiting]
        assert answers == [b"HTTP/1.1 401"] * 20
        second = asyncio.create_task(ask(server, whole))
        third = request("/v1/models", CLOSE)
        assert await ask(server, third) == [401]
        engine.gate.set()
        assert [await first, await second] == [[200], [200]]
        for _, writer in waiting:
            writer.close()
