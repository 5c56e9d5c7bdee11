"""What probes and Prometheus ask: /livez, /readyz, /metrics."""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], bool]


def build_app(
    live: Mapping[str, Check],
    ready: Mapping[str, Check],
    registry: CollectorRegistry,
    refresh: Callable[[], None],
) -> web.Application:
    """Return the application. `refresh` sets the gauges before each scrape."""

    async def livez(_: web.Request) -> web.Response:
        return _answer(live)

    async def readyz(_: web.Request) -> web.Response:
        return _answer(ready)

    async def metrics(_: web.Request) -> web.Response:
        refresh()
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    return app


def _answer(checks: Mapping[str, Check]) -> web.Response:
    failed = [name for name, check in checks.items() if not check()]
    if failed:
        return web.Response(status=503, text=f"not ok: {', '.join(failed)}\n")
    return web.Response(text="ok\n")
