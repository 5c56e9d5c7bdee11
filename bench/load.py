"""Clients of a served model: so many at once, each asking again as soon as it is answered."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import aiohttp

T = TypeVar("T")
Ask = Callable[[aiohttp.ClientSession, str], Awaitable[T]]

_LIMITS = aiohttp.ClientTimeout(total=300)


@dataclass(frozen=True, slots=True)
class Chat:
    """One streamed answer."""

    text: str
    tokens: int
    first_seconds: float


@dataclass(frozen=True, slots=True)
class Load(Generic[T]):
    """What a load gave: the answers in the order of the questions, and how long all took."""

    answers: list[T]
    seconds: float


def load_chats(
    url: str, model: str, prompts: Sequence[str], *, clients: int, max_tokens: int
) -> Load[Chat]:
    """Ask every prompt once."""

    async def ask(session: aiohttp.ClientSession, prompt: str) -> Chat:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return await _stream(session, f"{url}/v1/chat/completions", body)

    return asyncio.run(_run(ask, prompts, clients))


def load_embeddings(
    url: str, model: str, texts: Sequence[str], *, clients: int
) -> Load[list[float]]:
    """Embed every text in a request of its own."""

    async def ask(session: aiohttp.ClientSession, text: str) -> list[float]:
        body = {"model": model, "input": text}
        async with session.post(f"{url}/v1/embeddings", json=body) as response:
            response.raise_for_status()
            content = await response.json()
            vector: list[float] = content["data"][0]["embedding"]
            return vector

    return asyncio.run(_run(ask, texts, clients))


async def _run(
    ask: Callable[[aiohttp.ClientSession, str], Awaitable[T]],
    questions: Sequence[str],
    clients: int,
) -> Load[T]:
    answers: dict[int, T] = {}
    left = iter(enumerate(questions))
    async with aiohttp.ClientSession(timeout=_LIMITS) as session:

        async def work() -> None:
            for number, question in left:
                answers[number] = await ask(session, question)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(work())
        seconds = time.perf_counter() - began
    return Load([answers[number] for number in range(len(questions))], seconds)


async def _stream(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Chat:
    began, first, tokens = time.perf_counter(), 0.0, 0
    texts: list[str] = []
    async with session.post(url, json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            event = parse_event(line)
            if event is None:
                continue
            for choice in event["choices"]:
                if piece := choice["delta"].get("content"):
                    first = first or time.perf_counter() - began
                    texts.append(piece)
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
    return Chat("".join(texts), tokens, first)


def parse_event(line: bytes) -> dict[str, Any] | None:
    """Return the JSON of a line of a stream; None for the lines between, and for the end."""
    data = line.strip().removeprefix(b"data: ")
    if data == line.strip() or data == b"[DONE]":
        return None
    event: dict[str, Any] = json.loads(data)
    return event
