"""Asks a model through a tunnel and prints what it answers, as it comes."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.entry import KEY_VARIABLE, Entry
from modelyard_cli.plugin.forwarding import Reach, Tunnel, forwarded
from modelyard_cli.plugin.headline import Mood, find_headline
from modelyard_cli.plugin.model import Model
from modelyard_cli.plugin.question import (
    Question,
    is_chat_refused,
    parse_event,
    render_answer,
    tell_error,
)
from modelyard_cli.plugin.text import clean

Begin = Callable[[], Awaitable[None]]

_QUIET_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 10.0
_ERROR, _UNAUTHORIZED, _FULL = 400, 401, 429
_OPEN: Final = Entry()


class _Refused(Exception):
    """The model answered with an error."""

    def __init__(self, status: int, answer: bytes, retry_after: str) -> None:
        super().__init__(status)
        self.status, self.answer, self.retry_after = status, answer, retry_after


@dataclass(frozen=True, slots=True)
class _Line:
    """An open way to the model."""

    session: aiohttp.ClientSession
    base: str
    entry: Entry


class _Progress:
    """Says on stderr what is waited for, once that takes long enough to wonder."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._task = asyncio.create_task(self._tell())

    async def end(self) -> None:
        """Say no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        waited, pause = 0.0, _QUIET_SECONDS
        while True:
            await asyncio.sleep(pause)
            waited, pause = waited + pause, _AGAIN_SECONDS
            print(f"{self.what} … {waited:.0f} s", file=sys.stderr, flush=True)


async def ask(
    model: Model, question: Question, reach: Reach, entry: Entry = _OPEN, *, silence_seconds: float
) -> None:
    """Ask, and print the answer.

    Raises:
        CommandFailed: the model is not there, cannot be reached, or says no.
    """
    _check_serving(model)
    async with (
        _progress(f"Opening a tunnel to {model.name}") as progress,
        forwarded(reach, model.namespace, model.name, entry.port) as tunnel,
    ):
        progress.what = f"Waiting for the answer of {model.name}"
        await exchange(tunnel, question, progress.end, entry, silence_seconds=silence_seconds)


async def exchange(
    tunnel: Tunnel,
    question: Question,
    begin: Begin,
    entry: Entry = _OPEN,
    *,
    silence_seconds: float,
) -> None:
    """Send the question and print what comes; `begin` is called before the first of it.

    Raises:
        CommandFailed: no answer, or one that says no.
    """
    limits = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence_seconds
    )
    with _translated(tunnel, silence_seconds):
        async with aiohttp.ClientSession(timeout=limits, headers=entry.headers) as session:
            line = _Line(session, f"{entry.scheme}://{tunnel.address}", entry)
            await _ask_or_fall_back(line, question, begin)


def _check_serving(model: Model) -> None:
    told = find_headline(model, datetime.now(UTC))
    where = f"{model.namespace}/{model.name}"
    if not told.serves:
        state = f"{told.state.lower()} ({told.reason})"
        cure = told.cure or f"kubectl modelyard explain {model.name} -n {model.namespace}"
        raise CommandFailed(f"{where} is {state}: {told.cause}", cure=cure)
    if told.mood is not Mood.GOOD:
        print(f"{where}: {told.state} ({told.reason}).", file=sys.stderr, flush=True)


@asynccontextmanager
async def _progress(what: str) -> AsyncIterator[_Progress]:
    progress = _Progress(what)
    try:
        yield progress
    finally:
        await progress.end()


@contextmanager
def _translated(tunnel: Tunnel, silence_seconds: float) -> Iterator[None]:
    try:
        yield
    except _Refused as refused:
        cure = _find_cure(refused)
        raise CommandFailed(
            f"the model answers {refused.status}: {tell_error(refused.answer)}", cure=cure
        ) from refused
    except TimeoutError as error:
        raise CommandFailed(
            f"the model was silent for {silence_seconds:g} s",
            cure="Give it longer with --timeout, or look at `kubectl modelyard explain`.",
        ) from error
    except aiohttp.ClientSSLError as error:
        raise CommandFailed(
            f"the model's certificate is not accepted ({clean(str(error))})",
            cure="Is --ca of the authority that has signed it?",
        ) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = tunnel.complaints[-1] if tunnel.complaints else f"{type(error).__name__} {error}"
        raise CommandFailed(
            f"the connection to the model broke ({why})", cure="Try again."
        ) from error


def _find_cure(refused: _Refused) -> str:
    if refused.status == _UNAUTHORIZED:
        return f"Give a key that is in force: {KEY_VARIABLE} in the environment, or --key."
    if refused.status != _FULL:
        return ""
    return "It is full: try again" + (
        f" in {refused.retry_after} s." if refused.retry_after else ""
    )


async def _ask_or_fall_back(line: _Line, question: Question, begin: Begin) -> None:
    try:
        await _ask(line, question, begin)
    except _Refused as refused:
        if question.fallback is None or not is_chat_refused(refused.status, refused.answer):
            raise
        await _ask(line, question.fallback, begin)


async def _ask(line: _Line, question: Question, begin: Begin) -> None:
    data = None if question.body is None else json.dumps(question.body).encode()
    headers = {"Content-Type": "application/json"} if data is not None else {}
    options = {"data": data, "headers": headers, **line.entry.build_options()}
    async with line.session.request(
        question.method, f"{line.base}{question.path}", **options
    ) as response:
        if response.status >= _ERROR:
            wait = response.headers.get("Retry-After", "")
            raise _Refused(response.status, await response.read(), wait)
        if question.is_streamed:
            await _print_stream(response, begin)
            return
        answer = await response.read()
    await begin()
    print(render_answer(question, answer))


async def _print_stream(response: aiohttp.ClientResponse, begin: Begin) -> None:
    finish = ""
    async for line in response.content:
        piece = parse_event(line)
        if piece.error:
            print(flush=True)
            raise CommandFailed(f"the model broke off: {piece.error}", cure="Try again.")
        if piece.text:
            await begin()
            print(piece.text, end="", flush=True)
        finish = piece.finish or finish
    print(flush=True)
    if finish == "length":
        print("(cut: it had more to say)", file=sys.stderr)
