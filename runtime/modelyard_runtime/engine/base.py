"""The seam between the service and what computes: real engines, or a scripted one in tests."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelyard_runtime.domain import Chunk, GenerateRequest, ModelInfo, Signature


@dataclass(frozen=True, slots=True)
class Load:
    """Requests in the engine now: being computed, and waiting for room."""

    running: int
    waiting: int


class Generation(Protocol):
    """An admitted generation: iterate it to the end, or `aclose` it to free its slots at once."""

    prompt_tokens: int

    def __aiter__(self) -> AsyncIterator[Chunk]: ...

    async def aclose(self) -> None:
        """Give up what is left. Harmless after the end, and more than once."""
        ...


class Engine(Protocol):
    """What both kinds have in common."""

    info: ModelInfo

    @property
    def load(self) -> Load:
        """Requests inside, now."""
        ...

    @property
    def alive(self) -> bool:
        """False once the thread that owns the model has ended or hangs in an error."""
        ...

    async def close(self) -> None:
        """End the thread. Requests still inside fail with Unavailable."""
        ...


class GenerationEngine(Engine, Protocol):
    """Continues texts."""

    @property
    def takes_chats(self) -> bool:
        """Whether the model has a template that makes a text of messages."""
        ...

    async def submit(self, request: GenerateRequest) -> Generation:
        """Admit a request.

        Raises:
            InvalidRequest: prompt empty, or longer than the context leaves room for.
            Overloaded: no slot, and the queue is full.
            Unavailable: the engine has died or is closing.
        """
        ...


class BatchEngine(Engine, Protocol):
    """Answers each item in one go. What items and results are, the model's task says."""

    @property
    def signature(self) -> Signature | None:
        """The tensors of a model that takes tensors by name; None where the task says it all."""
        ...

    @property
    def unexplained(self) -> str:
        """Why answers cannot be explained; empty where items may be `attribution.ToExplain`."""
        ...

    def sample(self) -> Any:
        """Return a small item that any model of this kind can answer."""
        ...

    async def run(self, items: Sequence[Any]) -> list[Any]:
        """Return one result per item, in order. Cancelling drops items not yet computed.

        Raises:
            InvalidRequest: an item is empty, too long, or cannot be read.
            Overloaded: the queue is full.
            Unavailable: the engine has died or is closing.
            EngineFailure: the model failed on these items.
        """
        ...
