"""The seam between the service and what computes: real engines, or a scripted one in tests."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from modelyard_runtime.domain import BatchResult, Chunk, GenerateRequest, ModelInfo, TextInput


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

    async def submit(self, request: GenerateRequest) -> Generation:
        """Admit a request.

        Raises:
            InvalidRequest: prompt empty, or longer than the context leaves room for.
            Overloaded: no slot, and the queue is full.
            Unavailable: the engine has died or is closing.
        """
        ...


class BatchEngine(Engine, Protocol):
    """Answers each input in one step of the model."""

    async def run(self, inputs: Sequence[TextInput]) -> list[BatchResult]:
        """Return one result per input, in order. Cancelling drops inputs not yet computed.

        Raises:
            InvalidRequest: an input is empty or longer than the context.
            Overloaded: the queue is full.
            Unavailable: the engine has died or is closing.
            EngineFailure: the model failed on these inputs.
        """
        ...
