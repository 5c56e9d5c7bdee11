"""A proxy in front of a real API server that does wrong what a test asks for, and counts.

Plain HTTP on loopback in front, TLS behind; tokens pass through. It runs in a thread of its own.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic

import aiohttp
from aiohttp import web

from tests.support.faults import ApplyThenReset, Drop, EndWatch, Hang, Reply, Seen
from tests.support.operator_process import find_port

_HOP_HEADERS = {"host", "connection", "transfer-encoding", "content-length", "accept-encoding"}


@dataclass
class Rule:
    """An action on those requests that `where` picks, at most `times` times."""

    where: Callable[[Seen], bool]
    action: object
    times: float = float("inf")
    hits: int = 0


@dataclass(eq=False)
class _OpenWatch:
    seen: Seen
    response: web.StreamResponse
    request: web.Request
    is_frozen: bool = False


class FaultProxy:
    """Passes everything on until told otherwise. `seen` has every request."""

    def __init__(self, server, authority):
        self._server = server
        self._tls = ssl.create_default_context(cadata=authority)
        self._tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._watches: set[_OpenWatch] = set()
        self._rules: list[Rule] = []
        self._port = find_port()
        self._page_size = None
        self.seen: list[Seen] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def start(self):
        self._thread.start()
        self._do(self._open())
        return self

    def stop(self):
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def faulty(self, action, where=lambda _: True, times=float("inf")) -> Iterator[Rule]:
        """Do wrong while the block lasts."""
        rule = Rule(where, action, times)
        self._rules.append(rule)
        try:
            yield rule
        finally:
            self._rules.remove(rule)

    @contextmanager
    def away(self):
        """Cut all connections and refuse new ones while the block lasts."""
        self._do(self._listen(is_open=False))
        try:
            yield
        finally:
            self._do(self._listen(is_open=True))

    @contextmanager
    def paged(self, size):
        """Give lists in pages of that size, whatever is asked for, while the block lasts."""
        self._page_size = size
        try:
            yield
        finally:
            self._page_size = None

    def freeze_watches(self, where=lambda _: True):
        """Turn open watches into half-open connections, for good."""
        for watch in self._pick(where):
            watch.is_frozen = True

    def cut_watches(self, where=lambda _: True):
        """Reset open watches."""
        for watch in self._pick(where):
            self._loop.call_soon_threadsafe(watch.request.transport.abort)

    def tell_watches(self, text, where=lambda _: True):
        """Write into open watches what the API server never said."""

        async def tell():
            for watch in self._pick(where):
                with suppress(ConnectionError):
                    await watch.response.write(text.encode())

        self._do(tell())

    def count(self, where=lambda _: True, since=0.0):
        """How many such requests came in."""
        return sum(where(seen) for seen in list(self.seen) if seen.at >= since)

    def is_watched(self, where=lambda _: True):
        """Whether such a watch is open and alive."""
        return any(not watch.is_frozen for watch in self._pick(where))

    def _pick(self, where):
        return [watch for watch in list(self._watches) if where(watch.seen)]

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def _open(self):
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=2**24,
        )
        await self._listen(is_open=True)

    async def _close(self):
        await self._runner.cleanup()
        await self._session.close()

    async def _listen(self, *, is_open):
        if is_open:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
            await self._site.start()
            return
        await self._site.stop()
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _handle(self, request):
        seen = Seen(monotonic(), request.method, request.path, dict(request.query))
        self.seen.append(seen)
        rule = self._choose(seen)
        action = rule.action if rule else None
        match action:
            case Reply():
                return action.build()
            case Hang():
                await asyncio.sleep(3600)
            case EndWatch():
                return web.Response(text=action.text)
        try:
            return await self._forward(request, seen, action)
        except aiohttp.ClientError:  # the real one is away: so are we
            return _abort(request)

    def _choose(self, seen):
        for rule in list(self._rules):
            if rule.hits < rule.times and rule.where(seen):
                rule.hits += 1
                return rule
        return None

    async def _forward(self, request, seen, action):
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_HEADERS}
        async with self._session.request(
            request.method,
            self._server + request.path,
            params=self._page(seen.query),
            headers={**headers, "Accept-Encoding": "identity"},
            data=await request.read() or None,
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_HEADERS}
            if not seen.is_watch or answer.status != web.HTTPOk.status_code:
                body = await answer.read()
                if isinstance(action, ApplyThenReset):
                    return _abort(request)
                return web.Response(status=answer.status, body=body, headers=kept)
            response = web.StreamResponse(headers=kept)
            await response.prepare(request)
            await self._pump(answer, _OpenWatch(seen, response, request), action)
            return response

    def _page(self, query):
        is_paged = "limit" in query and self._page_size is not None
        return {**query, "limit": str(self._page_size)} if is_paged else query

    async def _pump(self, answer, watch, action):
        self._watches.add(watch)
        try:
            while line := await answer.content.readline():
                is_kept = isinstance(action, Drop) and action.matches(json.loads(line))
                if not is_kept and not watch.is_frozen:
                    await watch.response.write(line)
            while watch.is_frozen:
                await asyncio.sleep(1)
        finally:
            self._watches.discard(watch)


def _abort(request):
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
