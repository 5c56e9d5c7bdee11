"""Scripted engines: what the protocols talk to in tests, without torch and without waiting.

Texts are their own script. A generation answers with the words of its prompt in upper case, one a
chunk. Where the word `fail` stands there is a fault of the engine, at `bug` an unforeseen error,
and at `die` the engine's thread ends.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import (
    Chunk,
    Classification,
    Embedding,
    FinishReason,
    GenerateRequest,
    ModelInfo,
    Prompt,
    ScoredToken,
    Signature,
    TextInput,
    TokenChance,
)
from modelyard_runtime.engine.base import Load
from modelyard_runtime.errors import EngineFailure, InvalidRequest, Overloaded, Unavailable
from modelyard_runtime.tasks.attribution import ToExplain
from modelyard_runtime.tasks.fill_mask import Candidate, Filled, Gap
from modelyard_runtime.tasks.spec import ANY_TEXT
from tests.support.fake_explanations import explain_text

DIMENSIONS = 4


def build_info(task: Task, *, name: str = "tiny") -> ModelInfo:
    return ModelInfo(
        name=name,
        task=task,
        format="transformers",
        device="cpu",
        dtype="float32",
        parameters=1000,
        size_bytes=4000,
        context_tokens=64,
    )


def text_of(prompt: Prompt) -> str:
    """Return the last message, the text, or the token ids as words."""
    if isinstance(prompt, str):
        return prompt
    last = prompt[-1]
    if isinstance(last, int):
        return " ".join(str(token) for token in prompt)
    return last.content


@dataclass
class FakeEngine:
    """What both kinds share. `kill` is the death of the thread."""

    info: ModelInfo
    step_seconds: float = 0.0
    #: Sequences inside, and the requests that they belong to.
    inside: int = 0
    requests_inside: int = 0
    #: As of engines that take no tensors.
    signature: Signature | None = None
    takes_chats: bool = True
    #: Why answers cannot be explained; empty where they can.
    unexplained: str = ""
    is_dead: bool = False
    is_closed: bool = False
    #: Cleared: computing stands still before the next chunk or batch.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set whenever a request has got as far as a closed gate.
    waiting_at_gate: asyncio.Event = field(default_factory=asyncio.Event)
    #: Ids of requests (of batch engines: texts) that were given up before their end.
    abandoned: list[str] = field(default_factory=list)
    #: Set whenever `abandoned` grows.
    has_abandoned: asyncio.Event = field(default_factory=asyncio.Event)

    #: Set while no request is inside.
    is_idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.is_idle.set()

    def enter(self, count: int) -> None:
        self.inside += count
        self.requests_inside += 1
        self.is_idle.clear()

    def leave(self, count: int) -> None:
        self.inside -= count
        self.requests_inside -= 1
        if self.inside == 0:
            self.is_idle.set()

    @property
    def load(self) -> Load:
        return Load(running=self.requests_inside, waiting=0)

    @property
    def alive(self) -> bool:
        return not self.is_dead

    def kill(self) -> None:
        self.is_dead = True
        self.gate.set()

    async def close(self) -> None:
        self.is_closed = True
        self.gate.set()

    async def pass_gate(self) -> None:
        if not self.gate.is_set():
            self.waiting_at_gate.set()
            await self.gate.wait()
        # A real engine's chunks come from another thread: never all at once.
        await asyncio.sleep(self.step_seconds)
        if self.is_dead or self.is_closed:
            raise Unavailable("The engine has ended.")

    def note_abandoned(self, name: str) -> None:
        self.abandoned.append(name)
        self.has_abandoned.set()


class FakeGenerationEngine(FakeEngine):
    """Answers with the prompt's words in upper case, cut at max_tokens; seen in `requests`."""

    def __init__(self, *, capacity: int = 64, **changes: object) -> None:
        super().__init__(build_info(Task.TEXT_GENERATION), **changes)  # type: ignore[arg-type]
        self.capacity = capacity
        self.requests: list[GenerateRequest] = []

    async def submit(self, request: GenerateRequest) -> "FakeGeneration":
        if self.is_dead or self.is_closed:
            raise Unavailable("The engine has ended.")
        if not text_of(request.prompt):
            raise InvalidRequest("The prompt is empty.", param="prompt")
        if self.inside + request.n > self.capacity:
            raise Overloaded("No room for the request now.", retry_after_seconds=7)
        self.requests.append(request)
        return FakeGeneration(self, request)


class FakeGeneration:
    """One admitted request."""

    def __init__(self, engine: FakeGenerationEngine, request: GenerateRequest) -> None:
        self._engine = engine
        self._request = request
        self._words = text_of(request.prompt).split()
        self._is_over = False
        self._chunks = self._run()
        self.prompt_tokens = len(self._words)
        engine.enter(request.n)

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self._chunks

    async def aclose(self) -> None:
        if not self._is_over:
            self._engine.note_abandoned(self._request.id)
        self._end()
        await self._chunks.aclose()

    async def _run(self) -> AsyncGenerator[Chunk, None]:
        limit = self._request.sampling.max_tokens or len(self._words)
        words = self._words[:limit]
        for i, word in enumerate(words):
            await self._engine.pass_gate()
            if word == "fail":
                self._end()
                raise EngineFailure("The model failed.")
            if word == "die":
                self._end()
                self._engine.kill()
                raise Unavailable("The engine has died.")
            if word == "bug":
                self._end()
                raise ZeroDivisionError(self._request.id)
            is_last = i == len(words) - 1
            for index in range(self._request.n):
                yield Chunk(
                    index=index,
                    text=word.upper() + ("" if is_last else " "),
                    tokens=1,
                    finish_reason=self._reason() if is_last else None,
                    scored=self._score(words, i),
                )
        self._end()

    def _score(self, words: Sequence[str], i: int) -> tuple[ScoredToken, ...]:
        """Each word is a token of even chance; others are half characters and ends of a text."""
        count = self._request.sampling.logprobs
        if count is None:
            return ()
        word = words[i].upper()
        chosen = TokenChance(word, word.encode(), -0.6931)
        others = (TokenChance(None, b"\xf0\x9f", -1.5), TokenChance("<end>", None, -9999.0))
        offset = sum(len(before) + 1 for before in words[:i])
        return (ScoredToken(chosen, (chosen, *others)[:count], offset),)

    def _reason(self) -> FinishReason:
        limit = self._request.sampling.max_tokens
        return "length" if limit is not None and limit <= len(self._words) else "stop"

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._engine.leave(self._request.n)


class FakeBatchEngine(FakeEngine):
    """Embeds, classifies or fills masks; results depend on the text alone. `fail` fails."""

    def __init__(self, task: Task, **changes: object) -> None:
        super().__init__(build_info(task), **changes)  # type: ignore[arg-type]

    def sample(self) -> object:
        return Gap("_") if self.info.task is Task.FILL_MASK else TextInput(ANY_TEXT)

    async def run(self, items: Sequence[object]) -> list[object]:
        texts = [self._text(item) for item in items]
        self.enter(1)
        is_over = False
        try:
            await self.pass_gate()
            is_over = True
        finally:
            self.leave(1)
            if not is_over:
                for text in texts:
                    self.note_abandoned(text)
        if "fail" in texts:
            raise EngineFailure("The model failed.")
        if "full" in texts:
            raise Overloaded("The queue is full.", retry_after_seconds=7)
        return [
            explain_text(item) if isinstance(item, ToExplain) else self._result(text)
            for item, text in zip(items, texts, strict=True)
        ]

    @staticmethod
    def _text(item: object) -> str:
        if isinstance(item, ToExplain):
            item = item.item
        content = item.text if isinstance(item, Gap) else item.content
        text = content if isinstance(content, str) else " ".join(map(str, content))
        if not text:
            raise InvalidRequest("the text is empty", param="input")
        return text

    def _result(self, text: str) -> object:
        tokens = len(text.split())
        if self.info.task is Task.FILL_MASK:
            return Filled(((Candidate("cat", 0.5, text.replace("_", "cat")),),), tokens=tokens)
        if self.info.task is Task.TEXT_CLASSIFICATION:
            good = 0.75 if "good" in text else 0.25
            scores = {"POSITIVE": good, "NEGATIVE": 1 - good}
            ranked = dict(sorted(scores.items(), key=lambda item: -item[1]))
            return Classification(scores=ranked, tokens=tokens)
        vector = np.array([len(text), tokens, 0.1, -0.5], dtype=np.float32)
        return Embedding(vector=vector, tokens=tokens)
