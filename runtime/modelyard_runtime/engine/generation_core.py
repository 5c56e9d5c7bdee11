"""The generation engine: the side that lives on the thread. Plan, compute, draw, deliver."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelyard_runtime.domain import Chunk, FinishReason, Sampling, ScoredToken, TokenChance
from modelyard_runtime.engine.delivery import Parcel, deliver
from modelyard_runtime.engine.scheduler import Feed, Limits, Move, Row, Scheduler
from modelyard_runtime.engine.stopping import Bounds, StopStrings
from modelyard_runtime.errors import EngineFailure, Unavailable

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """An admitted request, on its way through. `running` is written by the thread only."""

    id: str
    tokens: list[int]
    count: int
    sampling: Sampling
    max_new_tokens: int
    mailbox: "asyncio.Queue[Any]"
    adapter: str = ""
    running: bool = False
    rows: "list[Row[Job]]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """Command: begin this job."""

    job: Job


@dataclass(frozen=True, slots=True)
class Cancel:
    """Command: the client has gone."""

    job: Job


class Decoder(Protocol):
    """Turns the tokens of one sequence into text, never half a character."""

    def feed(self, token: int) -> str:
        """Return the text that this token completes."""
        ...


#: The chance of a token that was drawn, and of the likeliest at its place.
Ranks = tuple[TokenChance, tuple[TokenChance, ...]]


class Backend(Protocol):
    """The model and its cache, as the core uses them. Scores and samplers are opaque here."""

    end_tokens: frozenset[int]

    def reserve(self, rows: int, columns: int) -> None:
        """Make the cache at least that large; what is in it stays."""
        ...

    def forward(self, feeds: "Sequence[Feed[Job]]") -> Any:
        """Compute the feeds; returns scores of the next token, one row per feed."""
        ...

    def copy_row(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a cache row to another."""
        ...

    def release(self) -> None:
        """Drop the cache."""
        ...

    def require_health(self) -> None:
        """Raise if the device is in an error state, in which every later pass would fail."""
        ...

    def build_sampler(self, sampling: Sampling, index: int) -> Any:
        """Return the state of one sequence's draws."""
        ...

    def draw(self, scores: Any, picks: Sequence[tuple[int, Any]]) -> list[int]:
        """Draw a token for each (row of scores, sampler); the scores stay as they are."""
        ...

    def rank(self, scores: Any, wanted: Sequence[tuple[int, int, int]]) -> list[Ranks]:
        """Return the chances of each (row of scores, token, number of likeliest tokens)."""
        ...

    def build_decoder(self, prompt: Sequence[int]) -> Decoder:
        """Return the decoder of a sequence that continues prompt."""
        ...


@dataclass(slots=True)
class _Writer:
    """What turns one row's tokens into chunks."""

    bounds: Bounds
    decoder: Decoder
    stops: StopStrings
    sampler: Any
    logprobs: int | None
    generated: int = 0
    unreported: int = 0
    scored: list[ScoredToken] = field(default_factory=list)
    decoded_characters: int = 0
    shown_characters: int = 0

    def write(self, index: int, token: int, ranks: Ranks | None) -> Chunk | None:
        """Take the next token. None: it shows no text yet."""
        self.generated += 1
        self.unreported += 1
        finish = self.bounds.decide_finish(token, self.generated)
        text = ""
        if finish != "stop":
            text, stopped = self.stops.feed(self._decode(token, ranks))
            finish = "stop" if stopped else finish
            if stopped:
                return self._chunk(index, text, finish)
        if finish is not None:
            text += self.stops.flush()
        return self._chunk(index, text, finish) if text or finish else None

    def _decode(self, token: int, ranks: Ranks | None) -> str:
        if ranks is not None:
            self.scored.append(ScoredToken(*ranks, offset=self.decoded_characters))
        piece = self.decoder.feed(token)
        self.decoded_characters += len(piece)
        return piece

    def _chunk(self, index: int, text: str, finish: FinishReason | None) -> Chunk:
        tokens, self.unreported = self.unreported, 0
        scored, self.scored = self.scored, []
        self.shown_characters += len(text)
        if finish == "stop":
            scored = [token for token in scored if token.offset < self.shown_characters]
        return Chunk(
            index=index, text=text, tokens=tokens, finish_reason=finish, scored=tuple(scored)
        )


class GenerationCore:
    """Runs the scheduler's plans on the backend."""

    def __init__(self, backend: Backend, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._scheduler: Scheduler[Job] = Scheduler(limits)
        self._loop = loop
        self._writers: dict[int, _Writer] = {}
        self._parcels: list[Parcel] = []

    def accept(self, command: Start | Cancel) -> None:
        """Queue a job, or drop one."""
        match command:
            case Start(job):
                rows = [Row(job, index, list(job.tokens)) for index in range(job.count)]
                job.rows = rows
                self._scheduler.add(rows)
            case Cancel(job):
                self._remove(job.rows)

    def has_work(self) -> bool:
        """Say whether any job is inside."""
        return self._scheduler.has_work()

    def step(self) -> None:
        """Compute one step. A failing pass ends the requests in it, not the engine."""
        plan = self._scheduler.plan()
        self._move(plan.moves)
        for row in self._scheduler.rows:
            row.owner.running = True
        self._attempt(self._scheduler.rows, self._backend.reserve, plan.rows, plan.columns)
        for feeds in (plan.decode, plan.prefill):
            # Reserving, or the pass before, may have failed some of these rows.
            left = tuple(feed for feed in feeds if self._is_at(feed))
            if left:
                self._attempt([feed.row for feed in left], self._advance, left)
        if not self._scheduler.rows:
            self._backend.release()
        parcels, self._parcels = self._parcels, []
        deliver(self._loop, parcels)

    def abandon(self, fault: Unavailable) -> None:
        """Fail every request inside."""
        jobs = {id(job): job for job in self._scheduler.owners()}.values()
        # With what the last step still had to say, if it was the step that failed.
        deliver(self._loop, [*self._parcels, *(Parcel(job.mailbox, fault) for job in jobs)])

    def _advance(self, feeds: tuple[Feed[Job], ...]) -> None:
        scores = self._backend.forward(feeds)
        picks: list[tuple[int, Row[Job]]] = []
        for number, feed in enumerate(feeds):
            completes = feed.completes
            feed.row.cached += feed.count
            if completes:
                picks.append((number, feed.row))
                picks += [(number, row) for row in self._fork(feed)]
        if not picks:
            return
        writers = [self._writer(row) for _, row in picks]
        samplers = [
            (number, writer.sampler) for (number, _), writer in zip(picks, writers, strict=True)
        ]
        tokens = self._backend.draw(scores, samplers)
        wanted = [
            (number, token, writer.logprobs)
            for (number, _), writer, token in zip(picks, writers, tokens, strict=True)
            if writer.logprobs is not None
        ]
        ranked = iter(self._backend.rank(scores, wanted) if wanted else ())
        finished = []
        for (_, row), writer, token in zip(picks, writers, tokens, strict=True):
            row.tokens.append(token)
            ranks = None if writer.logprobs is None else next(ranked)
            chunk = writer.write(row.index, token, ranks)
            if chunk is not None:
                self._parcels.append(Parcel(row.owner.mailbox, chunk))
                if chunk.finish_reason is not None:
                    finished.append(row)
        self._remove(finished)

    def _fork(self, feed: Feed[Job]) -> list[Row[Job]]:
        copies = self._scheduler.fork(feed.row)
        for slot, row in copies:
            self._backend.copy_row(feed.slot, slot, row.cached)
        return [row for _, row in copies]

    def _writer(self, row: Row[Job]) -> _Writer:
        writer = self._writers.get(id(row))
        if writer is None:
            job = row.owner
            writer = _Writer(
                bounds=Bounds(job.max_new_tokens, self._backend.end_tokens),
                decoder=self._backend.build_decoder(job.tokens),
                stops=StopStrings(job.sampling.stop),
                sampler=self._backend.build_sampler(job.sampling, row.index),
                logprobs=job.sampling.logprobs,
            )
            self._writers[id(row)] = writer
        return writer

    def _remove(self, rows: Sequence[Row[Job]]) -> None:
        for row in rows:
            self._writers.pop(id(row), None)
        self._move(self._scheduler.remove(rows))

    def _move(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self._backend.copy_row(move.source, move.target, move.tokens)

    def _is_at(self, feed: Feed[Job]) -> bool:
        rows = self._scheduler.rows
        return feed.slot < len(rows) and rows[feed.slot] is feed.row

    def _attempt(
        self, rows: Sequence[Row[Job]], action: Callable[..., None], *arguments: Any
    ) -> None:
        """Do it; if it fails, so do the requests of these rows.

        The other rows are well: a pass writes to the cache only past what counts as cached.
        """
        try:
            action(*arguments)
        except Exception as error:
            log.exception("step_failed", extra={"rows": len(rows)})
            fault = EngineFailure(f"the model failed on this request ({type(error).__name__})")
            jobs = {id(row.owner): row.owner for row in rows}.values()
            for job in jobs:
                self._parcels.append(Parcel(job.mailbox, fault))
                self._remove(job.rows)
            self._backend.require_health()
