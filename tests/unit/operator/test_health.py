"""Probes and metrics."""

from aiohttp.test_utils import TestClient, TestServer

from modelyard_operator.health import build_app
from modelyard_operator.metrics import Metrics


async def test_probes_name_what_is_wrong_and_metrics_are_fresh():
    metrics, state = Metrics(), {"caches": False}
    app = build_app(
        live={"workers": lambda: True},
        ready={"caches": lambda: state["caches"], "running": lambda: True},
        registry=metrics.registry,
        refresh=lambda: metrics.depth.set(7),
    )
    async with TestClient(TestServer(app)) as client:
        live, ready = await client.get("/livez"), await client.get("/readyz")
        assert (live.status, ready.status) == (200, 503)
        assert await ready.text() == "not ok: caches\n"
        state["caches"] = True
        assert (await client.get("/readyz")).status == 200
        assert "modelyard_operator_queue_depth 7.0" in await (await client.get("/metrics")).text()
