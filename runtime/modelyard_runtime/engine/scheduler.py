"""Which sequences are computed in the next step: pure, without torch, clocks or threads.

Sequences ("rows") join and leave between steps. A step is at most one pass over new tokens of rows
that still read their prompt (bounded, see `Limits`), and one pass that gives every other row its
next token. The key-value cache is one padded block, rows x columns, so what counts against its
budget is the number of rows times the longest of them. When it would overflow, the youngest row
gives its place up and later reads its tokens again; the oldest always goes on, so all finish.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

# The cache grows in steps, so that it is copied once per many tokens, not for each.
_ROW_BLOCK = 4
_COLUMN_BLOCK = 128

Owner = TypeVar("Owner")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a step and of the cache.

    `chunk_tokens` bounds the prompt tokens read in one step while other rows generate. On a CPU a
    decode step costs what reading the weights costs, and reading a prompt token about a tenth of
    that, whatever the model's size; so 64 tokens slow running streams to a few steps' time, where
    a whole prompt of thousands would hold them for seconds. The more rows read for each one that
    generates, the more may be read, up to `idle_chunk_tokens`, which also applies when nobody is
    held up: after a burst of arrivals the many should not wait for the few.
    """

    max_rows: int
    cache_tokens: int
    chunk_tokens: int
    idle_chunk_tokens: int


@dataclass(slots=True, eq=False)
class Row(Generic[Owner]):
    """One sequence: its tokens so far, and how many of them are in the cache.

    A row with a `parent` waits to get the prompt by copying the parent's cache.
    """

    owner: Owner
    index: int
    tokens: list[int]
    cached: int = 0
    order: int = 0
    parent: "Row[Owner] | None" = None

    @property
    def pending(self) -> int:
        """Tokens to feed before the next one can be drawn."""
        return len(self.tokens) - self.cached


@dataclass(frozen=True, slots=True)
class Feed(Generic[Owner]):
    """Feed the next `count` tokens of a row, which sits at `slot` in the cache."""

    row: Row[Owner]
    slot: int
    count: int

    @property
    def completes(self) -> bool:
        """True if a token can be drawn afterwards."""
        return self.count == self.row.pending


@dataclass(frozen=True, slots=True)
class Move:
    """Copy the first `tokens` of a cache row to another slot."""

    source: int
    target: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Plan(Generic[Owner]):
    """One step: cache rows to move first, the passes over the model, and the cache they need."""

    moves: tuple[Move, ...] = ()
    prefill: tuple[Feed[Owner], ...] = ()
    decode: tuple[Feed[Owner], ...] = ()
    rows: int = 0
    columns: int = 0


def round_shape(rows: int, columns: int) -> tuple[int, int]:
    """Return the size in which a cache for so many rows of such length is allocated.

    One, two or four rows, then multiples of four: a single long text may have all the memory.
    """
    block = min(_ROW_BLOCK, 1 << max(rows - 1, 0).bit_length())
    return _round_up(rows, block), _round_up(columns, _COLUMN_BLOCK)


def footprint(rows: int, columns: int) -> int:
    """Return the cache tokens that so many rows of such length occupy."""
    wide, long = round_shape(rows, columns)
    return wide * long


def largest_context(cache_tokens: int) -> int:
    """Return the longest single row that a cache of that budget holds."""
    return cache_tokens // _COLUMN_BLOCK * _COLUMN_BLOCK


def _round_up(count: int, block: int) -> int:
    return -(-count // block) * block


@dataclass(slots=True)
class Scheduler(Generic[Owner]):
    """Rows in the cache, in slot order, and groups of rows that wait for slots."""

    limits: Limits
    rows: list[Row[Owner]] = field(default_factory=list)
    waiting: deque[list[Row[Owner]]] = field(default_factory=deque)
    preemptions: int = 0
    _arrivals: int = 0

    def add(self, group: Sequence[Row[Owner]]) -> None:
        """Queue the rows of one request; they are admitted together."""
        for row in group:
            self._arrivals += 1
            row.order = self._arrivals
        for row in group[1:]:
            row.parent = group[0]
        self.waiting.append(list(group))

    def has_work(self) -> bool:
        """Say whether any row is inside."""
        return bool(self.rows or self.waiting)

    def owners(self) -> Iterable[Owner]:
        """Everyone with a row inside; some more than once."""
        yield from (row.owner for row in self.rows)
        yield from (row.owner for group in self.waiting for row in group)

    def remove(self, gone: Sequence[Row[Owner]]) -> list[Move]:
        """Take rows out and close the gaps. Returns the cache rows to move, in order."""
        leaving = set(map(id, gone))
        for group in self.waiting:
            group[:] = [row for row in group if id(row) not in leaving]
        self.waiting = deque(group for group in self.waiting if group)
        moves = []
        slot = 0
        while slot < len(self.rows):
            if id(self.rows[slot]) not in leaving:
                slot += 1
                continue
            while self.rows and id(self.rows[-1]) in leaving:
                self.rows.pop()
            if slot < len(self.rows):
                self.rows[slot] = self.rows.pop()
                moves.append(Move(len(self.rows), slot, self.rows[slot].cached))
        return moves

    def fork(self, parent: Row[Owner]) -> list[tuple[int, Row[Owner]]]:
        """Release the rows that waited for parent's prompt.

        Returns those in the cache, with their slots: they get a copy of parent's cache. One that
        had to give up its place reads the prompt itself later.
        """
        for group in self.waiting:
            for row in group:
                row.parent = None if row.parent is parent else row.parent
        copies = [(slot, row) for slot, row in enumerate(self.rows) if row.parent is parent]
        for _, row in copies:
            row.parent = None
            row.cached = parent.cached
        return copies

    def plan(self) -> Plan[Owner]:
        """Decide the next step."""
        moves = tuple(self._make_room())
        self._admit()
        if not self.rows:
            return Plan(moves)
        feeds = [
            Feed(row, slot, row.pending) for slot, row in enumerate(self.rows) if row.parent is None
        ]
        decode = tuple(feed for feed in feeds if feed.count == 1)
        reading = sorted(
            (feed for feed in feeds if feed.count > 1), key=lambda feed: feed.row.order
        )
        budget = self._prefill_budget(len(reading), len(decode))
        return Plan(
            moves=moves,
            prefill=tuple(form_prefill(reading, budget)),
            decode=decode,
            rows=len(self.rows),
            columns=self._columns(self.rows),
        )

    def _prefill_budget(self, reading: int, generating: int) -> int:
        if not generating:
            return self.limits.idle_chunk_tokens
        share = max(reading // generating, 1) * self.limits.chunk_tokens
        return min(share, self.limits.idle_chunk_tokens)

    def _columns(self, rows: Sequence[Row[Owner]]) -> int:
        return max(len(row.tokens) for row in rows)

    def _make_room(self) -> list[Move]:
        moves: list[Move] = []
        while len(self.rows) > 1 and self._overflows(self.rows):
            youngest = max(self.rows, key=lambda row: row.order)
            # A row that waits for its parent's prompt is younger than it, so it goes first.
            moves += self.remove([youngest])
            youngest.cached = 0
            self.waiting.appendleft([youngest])
            self.preemptions += 1
        return moves

    def _overflows(self, rows: Sequence[Row[Owner]]) -> bool:
        return footprint(len(rows), self._columns(rows)) > self.limits.cache_tokens

    def _admit(self) -> None:
        while self.waiting:
            wanted = [*self.rows, *self.waiting[0]]
            full = len(wanted) > self.limits.max_rows or self._overflows(wanted)
            # An empty cache takes whoever is first, or a request could wait for ever.
            if full and self.rows:
                return
            self.rows = wanted
            self.waiting.popleft()


def form_prefill(reading: Sequence[Feed[Owner]], budget_tokens: int) -> list[Feed[Owner]]:
    """Return the feeds of one pass: first come, first served, within the padded budget.

    The first row gets as much of the budget as it wants; others join while the rectangle of rows
    times longest feed stays within it.
    """
    chosen: list[Feed[Owner]] = []
    longest = 0
    for feed in reading:
        count = min(feed.count, budget_tokens)
        widest = max(longest, count)
        if chosen and widest * (len(chosen) + 1) > budget_tokens:
            break
        longest = widest
        chosen.append(Feed(feed.row, feed.slot, count))
    return chosen
