"""Clients that keep asking at a steady rate, whether or not there is an answer, and what they got.

A request that no pod took (no connection, or 429/503) was turned away: its client knows, and asks
again. One that a pod took and did not answer is lost. That must not happen.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import aiohttp

_TURNED_AWAY = frozenset({429, 503})
_LIMITS = aiohttp.ClientTimeout(total=120, sock_connect=2)


class Outcome(Enum):
    """What became of a request."""

    ANSWERED = "answered"
    TURNED_AWAY = "turned away"
    LOST = "lost"


@dataclass(slots=True)
class Record:
    """All requests: how they ended, when answers came, and what went wrong with the lost ones."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    answered_at: list[float] = field(default_factory=list)
    turned_away: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Requests that some pod took."""
        return self.outcomes[Outcome.ANSWERED] + self.outcomes[Outcome.LOST]

    def note(self, outcome: Outcome, what: str = "") -> None:
        """Count one."""
        self.outcomes[outcome] += 1
        if outcome is Outcome.ANSWERED:
            self.answered_at.append(time.monotonic())
        elif outcome is Outcome.TURNED_AWAY:
            self.turned_away[what] += 1
        else:
            self.losses.append(what)

    def longest_gap(self, since: float, until: float) -> float:
        """Return the longest time without an answer within a span of the monotonic clock."""
        moments = [since, *(at for at in self.answered_at if since <= at <= until), until]
        return max(after - before for before, after in pairwise(moments))


@asynccontextmanager
async def keep_asking(
    url: str,
    bodies: Sequence[dict[str, Any]],
    *,
    per_second: float,
    path: str = "/predict",
    check: Callable[[dict[str, Any], Any], bool] = lambda _, __: True,
) -> AsyncIterator[Record]:
    """Post the bodies in turn while the block runs; at its end the last answers are waited for.

    Every second request has a connection of its own, the others keep theirs, as clients differ.
    """
    record = Record()
    async with _sessions() as sessions, asyncio.TaskGroup() as group:

        async def post_each() -> None:
            number, began = 0, time.monotonic()
            while True:
                body, session = bodies[number % len(bodies)], sessions[number % len(sessions)]
                group.create_task(_post(session, url + path, body, record, check))
                number += 1
                await asyncio.sleep(max(began + number / per_second - time.monotonic(), 0))

        asking = group.create_task(post_each())
        try:
            yield record
        finally:
            asking.cancel()


@asynccontextmanager
async def _sessions() -> AsyncIterator[tuple[aiohttp.ClientSession, ...]]:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    kept = aiohttp.TCPConnector(limit=0)
    fresh = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        aiohttp.ClientSession(connector=kept, timeout=_LIMITS, trace_configs=[tracing]) as one,
        aiohttp.ClientSession(connector=fresh, timeout=_LIMITS) as other,
    ):
        yield one, other


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx["connection"] = "kept"


async def _post(
    session: aiohttp.ClientSession,
    url: str,
    body: dict[str, Any],
    record: Record,
    check: Callable[[dict[str, Any], Any], bool],
) -> None:
    used: dict[str, str] = {}
    try:
        async with session.post(url, json=body, trace_request_ctx=used) as response:
            if response.status in _TURNED_AWAY:
                record.note(Outcome.TURNED_AWAY, str(response.status))
                return
            answer = await response.json()
            if response.status == 200 and check(body, answer):  # noqa: PLR2004 - HTTP's OK
                record.note(Outcome.ANSWERED)
            else:
                record.note(Outcome.LOST, f"status {response.status}: {str(answer)[:200]}")
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        record.note(Outcome.TURNED_AWAY, type(error).__name__)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        record.note(Outcome.LOST, f"{error!r} on a {used.get('connection', 'new')} connection")
