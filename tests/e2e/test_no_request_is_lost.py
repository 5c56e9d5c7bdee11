"""Pods come and go; what was accepted is answered to the end."""

import asyncio
from collections import Counter

import httpx
import pytest

from modelyard_local import services
from tests.support.waiting import wait_for

CHATS = 100
TOKENS = 24


async def chat(client, number, started):
    """One streamed chat. Returns how it ended: `whole`, or what was wrong.

    A request that was not accepted (no connection, or 429/503) is sent again, as clients do.
    """
    body = {
        "model": "chat",
        "messages": [{"role": "user", "content": f"Count from {number} upwards."}],
        "stream": True,
        "max_tokens": TOKENS,
        "temperature": 0,
    }
    while True:
        try:
            async with client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.status_code in (429, 503):
                    await asyncio.sleep(float(response.headers.get("retry-after", 1)))
                    continue
                response.raise_for_status()
                started.release()
                try:
                    lines = [line async for line in response.aiter_lines() if line]
                except httpx.HTTPError as error:
                    return f"cut off: {error!r}"
        except httpx.ConnectError:
            await asyncio.sleep(0.2)
            continue
        except httpx.HTTPError as error:
            return f"cut off before the first byte: {error!r}"
        finished = sum('"finish_reason":"' in line for line in lines)
        errors = [line for line in lines if '"error"' in line]
        if lines[-1] == "data: [DONE]" and finished == 1 and not errors:
            return "whole"
        return f"ended badly: {lines[-2:]}"


@pytest.mark.timeout(1200)
async def test_streams_survive_a_deleted_pod_and_an_update(namespace, model_images):
    resources = {"cpu": "300m"}
    namespace.apply("chat", model_images["smollm2"], scaling={"replicas": 2}, resources=resources)
    await asyncio.to_thread(namespace.wait_ready, "chat", 300)
    before = {p["metadata"]["name"] for p in namespace.list("pods")}

    started = asyncio.Semaphore(0)
    with services.service_url(namespace.cluster, namespace.name, "chat") as url:
        limits = httpx.Limits(max_connections=CHATS, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
            chats = [asyncio.create_task(chat(client, n, started)) for n in range(CHATS)]
            for _ in range(CHATS // 10):
                await started.acquire()
            namespace.kubectl("delete", "pod", min(before), "--wait=false")
            namespace.apply(
                "chat",
                model_images["smollm2"],
                scaling={"replicas": 2},
                resources=resources | {"memory": "3Gi"},
            )
            outcomes = Counter(await asyncio.gather(*chats))
    assert outcomes == {"whole": CHATS}
    await asyncio.to_thread(namespace.wait_ready, "chat", 300)
    await asyncio.to_thread(
        wait_for,
        lambda: not before & {p["metadata"]["name"] for p in namespace.list("pods")},
        what="the old pods are gone",
        seconds=180,
    )
