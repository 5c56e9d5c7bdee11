"""Work only as long as the client is there to hear of it."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


async def while_client_waits(receive: Receive, work: Coroutine[object, object, T]) -> T:
    """Return the work's result; cancel it, and wait for its end, as soon as the client leaves.

    The request's body must have been read: what `receive` has next is the end.

    Raises:
        ClientGone: the client left first.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_until_disconnect(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        # Collects what either raises on its way out; the caller has its reason already.
        await asyncio.gather(working, watching, return_exceptions=True)


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
