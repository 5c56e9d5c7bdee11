"""No accepted request is lost when a process is told to stop: a real process and real sockets."""

import asyncio
import socket
import time
from dataclasses import dataclass, field

import httpx
import openai
import pytest

from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_process import started
from tests.support.runtime_server import running

STREAMS = 40
WORDS = 120
STEP_SECONDS = "0.05"
SLOW_STEP_SECONDS = 0.2
SOON = 60
PROMPT = " ".join(f"w{i}" for i in range(WORDS))
EXPECTED = PROMPT.upper()


def openai_client(runtime):
    return openai.AsyncOpenAI(
        base_url=f"{runtime.url}/v1",
        api_key="none",
        max_retries=0,
        http_client=httpx.AsyncClient(
            trust_env=False, timeout=60, limits=httpx.Limits(max_connections=None)
        ),
    )


async def read_stream(client, begun):
    stream = await client.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=WORDS + 1, stream=True
    )
    text = ""
    async for chunk in stream:
        begun.set()
        text += chunk.choices[0].text
    return text


@dataclass
class Knocker:
    """A client with one keep-alive connection that asks again and again."""

    answered: int = 0
    sent_away: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)

    async def knock(self, runtime, stop):
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            while not stop.is_set():
                try:
                    answer = await client.post(f"{runtime.url}/predict", json={"text": "a"})
                except httpx.ConnectError:
                    self.refused += 1
                    return
                except httpx.TransportError as error:
                    self.lost.append(repr(error))
                    return
                assert answer.json() == {"text": "A"}
                self.answered += 1
                self.sent_away += answer.headers.get("connection") == "close"


async def test_every_stream_and_every_request_is_finished():
    async with (
        # Longer than by default, so that a busy machine gets to its questions in time.
        started(FAKE_ENGINE_STEP_SECONDS=STEP_SECONDS, MODELYARD_LAME_DUCK_SECONDS="5") as runtime,
        httpx.AsyncClient(trust_env=False, timeout=60) as http,
    ):
        await runtime.says("ready")
        async with openai_client(runtime) as client:
            begun = [asyncio.Event() for _ in range(STREAMS)]
            streams = [asyncio.create_task(read_stream(client, event)) for event in begun]
            whole = asyncio.create_task(
                client.completions.create(model="tiny", prompt=PROMPT, max_tokens=WORDS + 1)
            )
            for event in begun:
                await asyncio.wait_for(event.wait(), SOON)
            stop = asyncio.Event()
            knockers = [Knocker() for _ in range(8)]
            knocking = [asyncio.create_task(one.knock(runtime, stop)) for one in knockers]

            # Over this connection it is asked again, should the port be closed by then.
            assert (await http.get(f"{runtime.url}/readyz")).status_code == 200
            runtime.signal()
            await runtime.says("draining")
            answer = await http.get(f"{runtime.url}/readyz")
            assert (answer.status_code, answer.headers["connection"]) == (503, "close")
            report = (await http.get(f"{runtime.internal_url}/report")).json()
            assert report["state"] == "draining"

            assert await asyncio.gather(*streams) == [EXPECTED] * STREAMS
            assert (await whole).choices[0].text == EXPECTED
            await asyncio.gather(*knocking)
        assert await runtime.ends() == 0
    for knocker in knockers:
        # Each was served while the port was open, told to close, and then could not connect.
        assert (knocker.lost, knocker.refused) == ([], 1)
        assert knocker.sent_away > 0


async def test_what_outlives_the_drain_is_told_so():
    config = '{"modelName": "tiny", "drainSeconds": 1}'
    async with started(config=config, FAKE_ENGINE_STEP_SECONDS=str(SLOW_STEP_SECONDS)) as runtime:
        await runtime.says("ready")
        async with openai_client(runtime) as client:
            begun = asyncio.Event()
            stream = asyncio.create_task(read_stream(client, begun))
            whole = asyncio.create_task(
                client.completions.create(model="tiny", prompt=PROMPT, max_tokens=WORDS + 1)
            )
            await asyncio.wait_for(begun.wait(), SOON)
            await has_inside(runtime, 2)
            signalled = time.monotonic()
            runtime.signal()
            with pytest.raises(openai.APIError, match="The engine has ended"):
                await stream
            with pytest.raises(openai.InternalServerError) as caught:
                await whole
            assert caught.value.status_code == 503
        assert await runtime.ends() == 0
        # Left alone they would take longer than that.
        assert 1 <= time.monotonic() - signalled < WORDS * SLOW_STEP_SECONDS


async def has_inside(runtime, count):
    """Return once so many requests are inside."""
    async with asyncio.timeout(SOON), httpx.AsyncClient(trust_env=False, timeout=SOON) as client:
        while True:
            metrics = (await client.get(f"{runtime.internal_url}/metrics")).text
            if f"\nmodelyard_requests_running {count:.1f}\n" in metrics:
                return
            await asyncio.sleep(0.05)


async def test_a_request_over_a_kept_connection_is_answered_after_the_port_is_closed():
    async with started(
        MODELYARD_LAME_DUCK_SECONDS="0.1", MODELYARD_PARTING_SECONDS="60"
    ) as runtime:
        await runtime.says("ready")
        async with httpx.AsyncClient(trust_env=False, base_url=runtime.url, timeout=SOON) as client:
            await client.post("/predict", json={"text": "a"})
            runtime.signal()
            await port_closes(runtime.event("listening")["port"])
            answer = await client.post("/predict", json={"text": "b"})
        assert (answer.json(), answer.headers["connection"]) == ({"text": "B"}, "close")
        assert await runtime.ends() == 0


async def port_closes(port):
    """Return once nobody takes a new connection."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.05)


async def test_idle_connections_are_closed():
    async with started(
        MODELYARD_LAME_DUCK_SECONDS="0.1", MODELYARD_PARTING_SECONDS="0.2"
    ) as runtime:
        await runtime.says("ready")
        port = runtime.event("listening")["port"]
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        runtime.signal()
        for reader, writer in idle:
            assert await asyncio.wait_for(reader.read(), SOON) == b""
            writer.close()
        assert await runtime.ends() == 0


async def test_a_connection_that_nobody_has_looked_at_yet_outlives_the_port():
    async with running(FakeGenerationEngine()) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            server.public.stop_accepting()
            client.settimeout(0)
            loop = asyncio.get_running_loop()
            answer = await asyncio.wait_for(loop.sock_recv(client, 1000), SOON)
    assert answer.startswith(b"HTTP/1.1 200 ")
