"""Nobody gets further without an API key. Probes do, by their exact address."""

from collections.abc import Awaitable, Callable, Collection, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard_runtime.metering import current_usage

Refuse = Callable[[Scope, Receive, Send], Awaitable[None]]
FindOwner = Callable[[Iterable[tuple[bytes, bytes]]], str | None]

#: What a WebSocket is closed with: policy violation (RFC 6455).
_CLOSED = 1008


class Authentication:
    """Refuses by default, before a body is read: also what has no route or no such method.

    `find_reader` finds who may read one of the `pages`, which browsers open by their address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        find_owner: FindOwner,
        find_reader: FindOwner,
        pages: Collection[str],
        exempt: Collection[str],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._find_owner = find_owner
        self._find_reader = find_reader
        self._pages = pages
        self._exempt = exempt
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it has a key."""
        if scope["type"] == "lifespan" or is_look_at(scope, self._exempt):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": _CLOSED})
            return
        find = self._find_reader if is_look_at(scope, self._pages) else self._find_owner
        owner = find(scope["headers"])
        if owner is None:
            await self._refuse(scope, receive, send)
            return
        current_usage().owner = owner
        await self._app(scope, receive, send)


def is_look_at(scope: Scope, paths: Collection[str]) -> bool:
    """Whether a request looks at one of these, to the letter: no escapes, no other method."""
    return (
        scope["type"] == "http"
        and scope["method"] in {"GET", "HEAD"}
        and scope["path"] in paths
        and scope.get("raw_path") == scope["path"].encode()
    )
