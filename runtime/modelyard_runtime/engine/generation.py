"""The generation engine: the side that lives on the event loop.

submit ──tokens──▶ inbox ──▶ GenerationCore (the thread) ──chunks──▶ mailbox ──▶ Stream
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import Chunk, GenerateRequest, ModelInfo, Prompt
from modelyard_runtime.engine.base import Load
from modelyard_runtime.engine.generation_core import Cancel, Job, Start
from modelyard_runtime.engine.stopping import bound_new_tokens
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import InvalidRequest, Overloaded, RequestFault

log = logging.getLogger(__name__)

_MAX_RETRY_SECONDS = 60
# Weight of the newest request in the running average of how long one takes.
_NEWEST_WEIGHT = 0.2


class Prompts(Protocol):
    """Turns prompts into tokens; called off the event loop and off the engine's thread."""

    @property
    def takes_chats(self) -> bool:
        """Whether messages can be made a text."""
        ...

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the tokens.

        Raises:
            InvalidRequest: the model cannot read this prompt.
        """
        ...

    def require_known(self, tokens: Sequence[int], *, param: str) -> None:
        """Refuse token ids that are not the model's; any thread may ask.

        Raises:
            InvalidRequest: naming the first one, and `param`.
        """
        ...

    def close(self) -> None:
        """Give up what encoding holds. Harmless more than once."""
        ...


@dataclass(slots=True)
class Stream:
    """An admitted generation. Leaving it (aclose, cancellation, losing it) frees its slots."""

    prompt_tokens: int
    _job: Job
    _engine: "ContinuousEngine"
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self._left = self._job.count

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        if not self._left:
            raise StopAsyncIteration
        try:
            content = await self._job.mailbox.get()
        except asyncio.CancelledError:
            self._leave()
            raise
        if isinstance(content, RequestFault):
            self._left = 0
            self._engine.forget(self._job)
            raise content
        if content.finish_reason is not None:
            self._left -= 1
            if not self._left:
                self._engine.forget(self._job)
        chunk: Chunk = content
        return chunk

    async def aclose(self) -> None:
        """Give up what is left. Harmless after the end, and more than once."""
        self._leave()

    def __del__(self) -> None:
        # A caller that lost its generation without closing it must not hold a slot for minutes.
        self._leave()

    def _leave(self) -> None:
        if getattr(self, "_left", 0):
            self._left = 0
            self._engine.leave(self._job)


class ContinuousEngine:
    """Continues texts, many at once; requests join and leave between steps."""

    def __init__(
        self, worker: Worker[Start | Cancel], info: ModelInfo, prompts: Prompts, capacity: Capacity
    ) -> None:
        self.info = info
        self.abandoned = 0
        self._worker = worker
        self._prompts = prompts
        self._capacity = capacity
        self._inside: dict[Job, float] = {}
        self._seconds_per_request = 1.0
        # One thread: tokenising a prompt takes far less than answering it.
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="tokenise")

    @property
    def load(self) -> Load:
        """Requests inside, now."""
        running = sum(1 for job in self._inside if job.running)
        return Load(running=running, waiting=len(self._inside) - running)

    @property
    def alive(self) -> bool:
        """False once the thread that owns the model has ended or hangs."""
        return self._worker.alive

    @property
    def takes_chats(self) -> bool:
        """Whether the model has a template that makes a text of messages."""
        return self._prompts.takes_chats

    async def submit(self, request: GenerateRequest) -> Stream:
        """Admit a request; see GenerationEngine.submit."""
        self._refuse_overload(request.n)
        biased = [token for token, _ in request.sampling.logit_bias]
        self._prompts.require_known(biased, param="logit_bias")
        loop = asyncio.get_running_loop()
        tokens = await loop.run_in_executor(self._tokenising, self._prompts.encode, request.prompt)
        job = self._build_job(request, tokens)
        # Again, since others may have come in while this one was tokenised.
        self._refuse_overload(request.n)
        self._worker.put(Start(job))
        self._inside[job] = time.monotonic()
        return Stream(prompt_tokens=len(tokens), _job=job, _engine=self)

    async def close(self) -> None:
        """End the thread. Requests still inside fail with Unavailable."""
        await self._worker.close()
        await asyncio.to_thread(self._end_tokenising)

    def forget(self, job: Job) -> None:
        """Take note that a request is over."""
        began = self._inside.pop(job, None)
        if began is not None:
            seconds = time.monotonic() - began
            self._seconds_per_request += _NEWEST_WEIGHT * (seconds - self._seconds_per_request)

    def leave(self, job: Job) -> None:
        """Give up a request whose client has gone."""
        if self._inside.pop(job, None) is None:
            return
        self.abandoned += 1
        log.info("client_left", extra={"request": job.id, "total": self.abandoned})
        self._worker.put_quietly(Cancel(job))

    def _end_tokenising(self) -> None:
        self._tokenising.shutdown()
        self._prompts.close()

    def _refuse_overload(self, wanted: int) -> None:
        sequences = sum(job.count for job in self._inside)
        room = self._capacity.max_slots + self._capacity.max_waiting
        if self._inside and sequences + wanted > room:
            rounds = sequences / self._capacity.max_slots
            seconds = math.ceil(rounds * self._seconds_per_request)
            raise Overloaded(
                f"{len(self._inside)} requests are running or waiting, and there is no room for "
                "more",
                retry_after_seconds=min(max(seconds, 1), _MAX_RETRY_SECONDS),
            )

    def _build_job(self, request: GenerateRequest, tokens: list[int]) -> Job:
        context = self.info.context_tokens
        if not tokens:
            raise InvalidRequest("the prompt is empty", param="prompt")
        if len(tokens) >= context:
            raise InvalidRequest(
                f"the prompt has {len(tokens)} tokens; the context of {context} tokens leaves "
                f"room for at most {context - 1}",
                param="prompt",
                code="context_length_exceeded",
            )
        if not 1 <= request.n <= self._capacity.max_slots:
            raise InvalidRequest(
                f"n is {request.n}; this deployment generates between 1 and "
                f"{self._capacity.max_slots} choices at once",
                param="n",
            )
        if request.sampling.max_tokens is not None and request.sampling.max_tokens < 1:
            raise InvalidRequest(
                f"max_tokens is {request.sampling.max_tokens}; it must be at least 1",
                param="max_tokens",
            )
        return Job(
            id=request.id,
            tokens=tokens,
            count=request.n,
            sampling=request.sampling,
            max_new_tokens=bound_new_tokens(len(tokens), context, request.sampling.max_tokens),
            mailbox=asyncio.Queue(),
            adapter=request.adapter,
        )
