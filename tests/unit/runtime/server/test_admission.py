"""At most so many requests are inside; probes always are."""

import asyncio

from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import build_client

SOON = 5


async def test_what_is_too_much_is_refused_before_its_body_is_read():
    engine = FakeGenerationEngine()
    engine.gate.clear()
    async with build_client(engine, settings=Settings(max_requests=1)) as client:
        first = asyncio.create_task(client.post("/predict", json={"text": "a"}))
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)

        async def never():
            await asyncio.Event().wait()
            yield b""

        second = await asyncio.wait_for(client.post("/predict", content=never()), SOON)
        third = await client.post("/v1/completions", json={})
        probe = await client.get("/readyz")
        engine.gate.set()
        assert (await first).status_code == 200
        assert (await client.post("/predict", json={"text": "a"})).status_code == 200

    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert second.json()["error"]["code"] == "overloaded"
    assert (third.status_code, third.json()["error"]["type"]) == (429, "rate_limit_error")
    assert probe.status_code == 200
