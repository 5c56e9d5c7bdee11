"""Asking the hub which commit a branch or tag is, in the background: it never holds up a reconcile.

The question is asked without any credential. What it cannot answer so, a private repository's
branch for example, must be given as a commit.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

import aiohttp
import orjson

from modelyard_api.fetch import is_commit
from modelyard_api.meta import Reason
from modelyard_operator.answers import read_answer
from modelyard_operator.desired.rendering import Source
from modelyard_operator.errors import Unresolved
from modelyard_operator.records import Key

logger = logging.getLogger(__name__)

_ASKERS = 8
_MAX_WAITING = 10_000
_MAX_KNOWN = 4096
_MAX_BYTES = 16 * 1024 * 1024  # a model's page lists all its files
#: Objects made together get the same commit; later ones ask anew, since branches move.
_FRESH_SECONDS = 60.0
#: Waits before the next try, the last one again and again.
_RETRY_SECONDS = (5.0, 15.0, 60.0, 300.0)
_FORBIDDEN = frozenset({401, 403})
_NOT_FOUND = 404
_TOO_MANY_REQUESTS = 429


class Sources(Protocol):
    """Commits that were found, and the wish for more."""

    def find(self, source: Source) -> "str | Unresolved | None":
        """Return the commit, or why it is not known; None while nobody has answered."""

    def want(self, key: Key, source: Source) -> float | None:
        """Have it looked up, and the key looked at again; returns when to ask next, if known."""


@dataclass(slots=True)
class _Known:
    """What is known of one source; asked again once it is due. Askers wait for an answer."""

    answer: str | Unresolved | None = None
    due: float = float("-inf")
    failures: int = 0
    askers: set[Key] = field(default_factory=set)


class Resolver:
    """Resolves over HTTP, a few at a time."""

    def __init__(
        self,
        endpoint: str,
        *,
        timeout_seconds: float,
        now: Callable[[], float],
        on_answer: Callable[[Key], None],
    ) -> None:
        self._endpoint = endpoint
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._now = now
        self._on_answer = on_answer
        self._known: OrderedDict[Source, _Known] = OrderedDict()
        self._waiting: asyncio.Queue[Source] = asyncio.Queue(_MAX_WAITING)

    def find(self, source: Source) -> str | Unresolved | None:
        """Look among the answers; an old commit does not count, a branch may have moved on."""
        known = self._known.get(source)
        if known is None or (isinstance(known.answer, str) and self._now() >= known.due):
            return None
        return known.answer

    def want(self, key: Key, source: Source) -> float | None:
        """Put the question, unless it is being asked or its time has not come."""
        known = self._remember(source)
        if known.askers:
            known.askers.add(key)
            return None
        if self._now() < known.due:
            return known.due - self._now()
        if self._waiting.full():
            return _RETRY_SECONDS[0]
        known.askers.add(key)
        self._waiting.put_nowait(source)
        return None

    async def run(self) -> None:
        """Ask until cancelled."""
        async with (
            aiohttp.ClientSession(timeout=self._timeout, trust_env=True) as session,
            asyncio.TaskGroup() as group,
        ):
            for number in range(_ASKERS):
                group.create_task(self._ask_each(session), name=f"resolver-{number}")

    def _remember(self, source: Source) -> _Known:
        known = self._known.setdefault(source, _Known())
        self._known.move_to_end(source)
        oldest = next(iter(self._known))
        if len(self._known) > _MAX_KNOWN and not self._known[oldest].askers:
            del self._known[oldest]
        return known

    async def _ask_each(self, session: aiohttp.ClientSession) -> None:
        while True:
            source = await self._waiting.get()
            try:
                answer: str | Unresolved = await self._ask(session, source)
            except Unresolved as error:
                answer = error
                logger.warning("%s", error)
            for key in self._take(source, answer):
                self._on_answer(key)

    def _take(self, source: Source, answer: str | Unresolved) -> set[Key]:
        """Keep an answer; returns who waits for it."""
        known = self._known[source]
        askers, known.askers, known.answer = known.askers, set(), answer
        if isinstance(answer, str):
            known.failures, known.due = 0, self._now() + _FRESH_SECONDS
            return askers
        wait = _RETRY_SECONDS[min(known.failures, len(_RETRY_SECONDS) - 1)]
        known.failures, known.due = known.failures + 1, self._now() + wait
        return askers

    async def _ask(self, session: aiohttp.ClientSession, source: Source) -> str:
        repository, revision = source.repository, source.revision or "main"
        url = f"{self._endpoint}/api/models/{repository}/revision/{quote(revision, safe='')}"
        try:
            async with session.get(url) as response:
                if response.status in _FORBIDDEN or response.status == _NOT_FOUND:
                    raise _explain_refusal(response.status, repository, revision)
                if response.status == _TOO_MANY_REQUESTS:
                    raise _explain_limit(self._endpoint, source)
                response.raise_for_status()
                body = orjson.loads(await read_answer(response, _MAX_BYTES))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _explain_silence(self._endpoint, source, error) from error
        commit = str(body.get("sha", "")) if isinstance(body, dict) else ""
        if not is_commit(commit):
            raise _explain_silence(self._endpoint, source, ValueError("the answer has no commit"))
        return commit


def _explain_refusal(status: int, repository: str, revision: str) -> Unresolved:
    commit = (
        "give its commit (40 digits) as spec.model.revision, and name a Secret with a token in "
        "spec.model.secretRef"
    )
    if status == _NOT_FOUND:
        return Unresolved(
            Reason.MODEL_NOT_FOUND,
            f"The hub knows no revision {revision!r} of {repository}.",
            f"Correct spec.model.uri or spec.model.revision; if it is private, {commit}.",
        )
    return Unresolved(
        Reason.UNAUTHORIZED,
        f"The hub does not show {repository} to everybody (HTTP status {status}): it is private, "
        "or there is no such repository.",
        f"Correct spec.model.uri; if it is private, {commit}.",
    )


def _explain_limit(endpoint: str, source: Source) -> Unresolved:
    return Unresolved(
        Reason.RATE_LIMITED,
        f"{endpoint} lets no more requests through for a while (HTTP status 429), so that it is "
        f"not known which commit {source.revision or 'main'} of {source.repository} is.",
        "It is asked again. A commit (40 digits) as spec.model.revision needs no question; a "
        "mirror (huggingFace.endpoint in the platform's policy) sets its own limits.",
    )


def _explain_silence(endpoint: str, source: Source, error: Exception) -> Unresolved:
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return Unresolved(
        Reason.SOURCE_UNREACHABLE,
        f"{endpoint} did not say which commit {source.revision or 'main'} of {source.repository} "
        f"is ({what}).",
        "It is asked again. The operator needs a way to that host; without one, give a commit (40 "
        "digits) as spec.model.revision.",
    )
