"""An unforeseen error, once answered with a 500, ends here: in the log."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)


class Unforeseen:
    """Keeps answered errors from the server, which would close the connection under its client.

    Starlette raises an unforeseen error again after its handler has answered it. An error in the
    middle of an answer goes on to the server: the connection cannot be used any more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        is_answered = False

        async def watch(message: Message) -> None:
            nonlocal is_answered
            await send(message)
            is_answered = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, watch)
        except Exception:
            if not is_answered:
                raise
            _log.exception("request_failed_unforeseen")
