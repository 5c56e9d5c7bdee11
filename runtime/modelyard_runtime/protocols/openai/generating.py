"""From the chunks of an answer to OpenAI's objects: whole, or as the events of a stream."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from modelyard_runtime.domain import Chunk, FinishReason, GenerateRequest, ScoredToken
from modelyard_runtime.protocols.openai.answers import Usage
from modelyard_runtime.protocols.openai.convert import to_usage
from modelyard_runtime.protocols.openai.sse import DONE, to_event
from modelyard_runtime.service import InferenceService


@dataclass(slots=True)
class Choice:
    """One choice as it grows."""

    texts: list[str] = field(default_factory=list)
    scored: list[ScoredToken] = field(default_factory=list)
    finish_reason: FinishReason = "stop"

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.texts)


class Shape(Protocol):
    """How a protocol's objects are built; every object of an answer has the same heading."""

    def whole(self, choices: Sequence[Choice], usage: Usage) -> object:
        """Return the complete answer."""
        ...

    def piece(self, chunk: Chunk, *, is_first: bool) -> object:
        """Return the event of a chunk, which may be the first of its choice."""
        ...

    def last(self, usage: Usage) -> object | None:
        """Return the event after all choices, if one was asked for."""
        ...


async def complete(
    service: InferenceService, requests: Sequence[GenerateRequest], shape: Shape
) -> object:
    """Generate everything, then return it."""
    choices = [Choice() for request in requests for _ in range(request.n)]
    async with service.generate(requests) as answer, aclosing(answer.chunks()) as chunks:
        async for chunk in chunks:
            choice = choices[chunk.index]
            choice.texts.append(chunk.text)
            choice.scored += chunk.scored
            choice.finish_reason = chunk.finish_reason or choice.finish_reason
    return shape.whole(choices, to_usage(answer.prompt_tokens, answer.completion_tokens))


async def stream_events(
    service: InferenceService, requests: Sequence[GenerateRequest], shape: Shape
) -> AsyncGenerator[bytes, None]:
    """Yield an event for each chunk, one for the usage if it is asked for, and the end mark."""
    begun: set[int] = set()
    async with service.generate(requests) as answer, aclosing(answer.chunks()) as chunks:
        async for chunk in chunks:
            yield to_event(shape.piece(chunk, is_first=chunk.index not in begun))
            begun.add(chunk.index)
        last = shape.last(to_usage(answer.prompt_tokens, answer.completion_tokens))
    if last is not None:
        yield to_event(last)
    yield DONE
