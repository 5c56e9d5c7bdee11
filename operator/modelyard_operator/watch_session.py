"""The HTTP sessions that kopf watches ModelDeployments with.

kopf opens a watch that ended anew at once, lists anew after a tenth of a second, and never tells
that its watch is over: all requests pass through here, which sets their pace and sees who asks.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from ssl import SSLContext

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from modelyard_operator.pacing import Pace

#: A start and a few mishaps go unhindered; a server that ends every watch is asked so often.
_BURST = 6
_INTERVAL_SECONDS = 2.0


class WatchSessions:
    """Opens sessions, and knows by them the task that watches."""

    def __init__(self, collection: str, *, now: Callable[[], float]) -> None:
        """`collection` is the path of what is watched."""
        self._collection = collection
        self._pace = Pace(burst=_BURST, interval_seconds=_INTERVAL_SECONDS, now=now)
        self._logins = Pace(burst=2, interval_seconds=_INTERVAL_SECONDS, now=now)
        self._watcher: asyncio.Future[asyncio.Task[object]] = asyncio.Future()
        self._opened: list[aiohttp.ClientSession] = []

    async def watcher(self) -> asyncio.Task[object]:
        """Wait until somebody lists or watches, and return the task that does."""
        return await asyncio.shield(self._watcher)

    async def open(
        self, tls: SSLContext, headers: dict[str, str], proxy: str | None
    ) -> aiohttp.ClientSession:
        """Open a session; where each one is refused, no faster than the pace."""
        await asyncio.sleep(self._logins.claim())
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),
            headers=headers,
            proxy=proxy,
            trust_env=False,
            middlewares=(self._pass,),
        )
        self._opened = [*(other for other in self._opened if not other.closed), session]
        return session

    async def close(self) -> None:
        """Close what kopf has left open; it leaves everything when it ends in disorder."""
        for session in self._opened:
            await session.close()

    async def _pass(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        if request.url.path != self._collection:
            return await send(request)
        is_page = "continue" in request.url.query
        if not is_page:
            self._note_watcher()
            await asyncio.sleep(self._pace.claim())
        response = await send(request)
        if is_page and response.status == HTTPStatus.GONE:
            response.close()
            # The list took too long to read. kopf would end over this, but takes a list that
            # breaks off as reason to list again.
            raise aiohttp.ClientPayloadError("the list has expired between two of its pages")
        return response

    def _note_watcher(self) -> None:
        task = asyncio.current_task()
        if task is not None and not self._watcher.done():
            self._watcher.set_result(task)
