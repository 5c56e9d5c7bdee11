"""Explanations by a server on real ports: keys, accounts, counters, and clients that leave."""

import asyncio

import httpx
import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.access.gate import Gate
from modelyard_runtime.access.key_folder import open_keys
from tests.support.fake_engine import FakeBatchEngine
from tests.support.mounted_secret import MountedSecret, hashes
from tests.support.runtime_server import Records, running

SOON = 60
KEY = "mdl_the-key-of-alice"
BODY = {"text": "A good one", "steps": 5}


def client_of(server, **headers):
    return httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=SOON, headers=headers)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_a_key_nothing_is_explained(method, tmp_path):
    secret = MountedSecret(tmp_path / "keys", {"alice": hashes(KEY)})
    gate = Gate(keys=open_keys(secret.path))
    async with running(FakeBatchEngine(Task.TEXT_CLASSIFICATION), gate=gate) as server:
        body = {"json": BODY} if method == "POST" else {}
        async with client_of(server) as stranger, client_of(server, **{"x-api-key": KEY}) as alice:
            refused = await stranger.request(method, "/explain", **body)
            served = await alice.request(method, "/explain", **body)
    assert (refused.status_code, served.status_code) == (401, 200)


async def test_an_explanation_is_accounted_for_by_its_steps():
    records = Records()
    engine = FakeBatchEngine(Task.TEXT_CLASSIFICATION)
    async with running(engine, records=records) as server, client_of(server) as client:
        answer = await client.post("/explain", json=BODY)
        metrics = (await client.get(f"{server.internal_url}/metrics")).text
    assert answer.status_code == 200
    (usage,) = [record for record in records.all if record["event"] == "usage"]
    assert {name: usage[name] for name in ("route", "prompt_tokens", "units", "status")} == {
        "route": "/explain",
        "prompt_tokens": 3,
        "units": {"items": 1, "explanation_steps": 5},
        "status": 200,
    }
    assert 'modelyard_tokens_total{kind="prompt"} 3.0' in metrics
    assert 'modelyard_requests_total{code="200"} 1.0' in metrics


async def test_what_nobody_waits_for_is_given_up():
    engine = FakeBatchEngine(Task.TEXT_CLASSIFICATION)
    engine.gate.clear()
    async with running(engine) as server, client_of(server) as client:
        asking = asyncio.create_task(client.post("/explain", json=BODY))
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        asking.cancel()
        await asyncio.wait_for(engine.has_abandoned.wait(), SOON)
    assert engine.abandoned == ["A good one"]
    assert engine.inside == 0


async def test_a_large_body_is_refused_before_it_is_read():
    async with (
        running(FakeBatchEngine(Task.TEXT_CLASSIFICATION)) as server,
        client_of(server) as client,
    ):
        answer = await client.post("/explain", json={"text": "x" * 20_000_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
