"""A client that leaves frees its place at once: proved with real sockets that are closed."""

import asyncio
import json

import pytest

from modelyard_api.v1alpha1 import Task
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import running

SOON = 5


def request_bytes(path, body):
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def send(server, path, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes(path, body))
    await writer.drain()
    return reader, writer


async def leave(writer, *, abruptly):
    if abruptly:
        writer.transport.abort()
    else:
        writer.close()
        await writer.wait_closed()


async def ask(server):
    """Return once another client has had its whole answer."""
    reader, writer = await send(server, "/v1/chat/completions", CHAT)
    await asyncio.wait_for(reader.readuntil(b"A B C"), SOON)
    await leave(writer, abruptly=False)


CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "a b c"}]}
REQUESTS = [
    pytest.param("/v1/chat/completions", CHAT, id="a whole chat"),
    pytest.param("/v1/chat/completions", {**CHAT, "stream": True}, id="a stream not yet begun"),
    pytest.param(
        "/v1/completions", {"model": "tiny", "prompt": ["a b", "c d"]}, id="several prompts"
    ),
    pytest.param("/predict", {"text": "a b"}, id="predict"),
]


@pytest.mark.parametrize("abruptly", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_a_generation_is_given_up_before_its_first_chunk(path, body, abruptly):
    engine = FakeGenerationEngine()
    engine.gate.clear()
    async with running(engine) as server:
        _, writer = await send(server, path, body)
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        await leave(writer, abruptly=abruptly)
        await asyncio.wait_for(engine.has_abandoned.wait(), SOON)
        await asyncio.wait_for(engine.is_idle.wait(), SOON)
    assert engine.abandoned == [request.id for request in engine.requests][::-1]


async def test_a_stream_is_given_up_in_the_middle():
    engine = FakeGenerationEngine()
    async with running(engine) as server:
        body = {**CHAT, "stream": True, "messages": [{"role": "user", "content": "a " * 10_000}]}
        reader, writer = await send(server, "/v1/chat/completions", body)
        await asyncio.wait_for(reader.readuntil(b"A "), SOON)
        engine.gate.clear()
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        await leave(writer, abruptly=False)
        await asyncio.wait_for(engine.has_abandoned.wait(), SOON)
    assert engine.inside == 0


async def test_a_client_that_does_not_read_holds_up_nobody_and_is_noticed_when_it_leaves():
    engine = FakeGenerationEngine()
    async with running(engine) as server:
        body = {**CHAT, "stream": True, "messages": [{"role": "user", "content": "a " * 100_000}]}
        _, slow = await send(server, "/v1/chat/completions", body)
        await ask(server)
        assert engine.inside == 1
        await leave(slow, abruptly=True)
        await asyncio.wait_for(engine.has_abandoned.wait(), SOON)
    assert engine.inside == 0


@pytest.mark.parametrize(
    ("task", "path", "body"),
    [
        (Task.EMBEDDINGS, "/v1/embeddings", {"model": "tiny", "input": "text"}),
        (Task.TEXT_CLASSIFICATION, "/predict", {"text": "text"}),
    ],
)
async def test_a_batch_input_is_dropped(task, path, body):
    engine = FakeBatchEngine(task)
    engine.gate.clear()
    async with running(engine) as server:
        _, writer = await send(server, path, body)
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        await leave(writer, abruptly=False)
        await asyncio.wait_for(engine.has_abandoned.wait(), SOON)
    assert engine.abandoned == ["text"]


async def test_a_client_that_leaves_while_it_sends_reaches_no_engine():
    engine = FakeGenerationEngine()
    async with running(engine) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_bytes("/v1/chat/completions", CHAT)[:-5])
        await writer.drain()
        await leave(writer, abruptly=False)
        await ask(server)
    assert len(engine.requests) == 1
