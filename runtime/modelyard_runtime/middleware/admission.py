"""At most so many requests inside at once, bodies on their way included."""

from collections.abc import Awaitable, Callable, Collection

from starlette.types import ASGIApp, Receive, Scope, Send

Refuse = Callable[[Scope, Receive, Send], Awaitable[None]]


class Admission:
    """Refuses what is too much before any of its body is read. Probes are let through always."""

    def __init__(
        self, app: ASGIApp, *, max_requests: int, exempt: Collection[str], refuse: Refuse
    ) -> None:
        self._app = app
        self._free = max_requests
        self._exempt = exempt
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if there is room."""
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
        elif self._free == 0:
            await self._refuse(scope, receive, send)
        else:
            self._free -= 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._free += 1
