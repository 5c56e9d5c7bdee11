"""Requests without end or measure, by size or by time, end soon and harm nobody."""

import asyncio
import json

from modelyard_runtime import http_protocol
from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import running

SOON = 10
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def talk(server, *pieces):
    """Send the pieces, and return what is answered up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()


def parts_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


async def test_a_large_body_is_answered_while_it_is_still_sent():
    """The client sees the answer, not a reset, though it has sent far more than was read."""
    settings = Settings(max_body_bytes=1000)
    async with running(FakeGenerationEngine(), settings=settings) as server:
        body = b"x" * 5_000_000
        declared = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
        assert parts_of(await talk(server, declared, body)) == (413, "body_too_large")
        chunk = b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        answer = await talk(server, chunked, *[chunk] * 20, b"0\r\n\r\n")
        assert parts_of(answer) == (413, "body_too_large")


async def test_who_asks_before_it_sends_need_not_send():
    settings = Settings(max_body_bytes=1000)
    async with running(FakeGenerationEngine(), settings=settings) as server:
        answer = await talk(server, HEAD + b"Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
        assert parts_of(answer) == (413, "body_too_large")


async def test_a_body_that_does_not_come_is_given_up():
    async with running(FakeGenerationEngine(), settings=Settings(body_seconds=0.2)) as server:
        answer = await talk(server, HEAD + b"Content-Length: 100\r\n\r\n", b"{")
        assert parts_of(answer) == (408, "body_too_slow")


async def test_a_head_without_end_is_refused():
    async with running(FakeGenerationEngine()) as server:
        answer = await talk(server, HEAD, *[b"x-more: %b\r\n" % (b"y" * 1000)] * 100)
        assert answer.startswith(b"HTTP/1.1 400 ")
        answer = await talk(server, HEAD, b"x-more: ", *[b"y" * 1000] * 100)
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_head_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr(http_protocol, "_HEAD_SECONDS", 0.2)
    async with running(FakeGenerationEngine()) as server:
        assert await talk(server) == b""
        assert await talk(server, HEAD) == b""


async def test_trailers_are_no_headers():
    async with running(FakeGenerationEngine()) as server:
        chunked = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b'd\r\n{"text": "a"}\r\n0\r\nX-Request-Id: trailer\r\n\r\n'
        answer = await talk(server, chunked + body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"trailer" not in answer


async def test_trailers_without_end_are_refused():
    async with running(FakeGenerationEngine()) as server:
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
        answer = await talk(server, chunked, *[b"1;%b" % (b"y" * 1000)] * 100)
        assert answer.startswith(b"HTTP/1.1 400 ")
        answer = await talk(server, chunked, b"0\r\n", *[b"x-more: %b\r\n" % (b"y" * 1000)] * 100)
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(http_protocol, "_HEAD_SECONDS", 0.2)
    unread = HEAD.replace(b"/predict", b"/nothing") + b"Content-Length: 100\r\n\r\n"
    async with running(FakeGenerationEngine()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(unread)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404 ")
        writer.write(b"x")
        assert not (await asyncio.wait_for(reader.read(), SOON)).endswith(b"x")
        writer.close()


async def test_what_is_no_http_is_refused():
    async with running(FakeGenerationEngine()) as server:
        answer = await talk(server, b"\x16\x03\x01 this is TLS\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_requests_in_a_row_on_one_connection_are_answered_in_order():
    async with running(FakeGenerationEngine()) as server:
        requests = [
            HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            for body in (b'{"text": "a"}', b'{"text": "b c"}')
        ]
        last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await talk(server, b"".join(requests) + last)
    positions = [answer.index(part) for part in (b'{"text":"A"}', b'{"text":"B C"}', b'"ok"')]
    assert positions == sorted(positions)
