"""A stopping process asks each client to close its connection, and so to go elsewhere next."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Farewell:
    """Adds `Connection: close` to answers that begin while the process is stopping."""

    def __init__(self, app: ASGIApp, *, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_farewell(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_stopping():
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_farewell)
