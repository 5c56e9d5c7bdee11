"""A generation backend without torch that checks how it is used.

Its "model" is arithmetic: the next token follows from all tokens before it. Its cache holds the
tokens themselves, so every pass can check that what the engine believes to be cached is there.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelyard_runtime.domain import TokenChance
from modelyard_runtime.engine.scheduler import footprint

VOCABULARY = 97
END = 0


def next_token(tokens: Sequence[int]) -> int:
    """The toy model. About one token in 97 is END."""
    return (sum((place + 1) * token for place, token in enumerate(tokens)) * 31 + 7) % VOCABULARY


def continue_alone(prompt: Sequence[int], max_tokens: int) -> list[int]:
    """What a sequence must become, whatever is computed beside it."""
    tokens = list(prompt)
    while len(tokens) - len(prompt) < max_tokens:
        tokens.append(next_token(tokens))
        if tokens[-1] == END:
            break
    return tokens[len(prompt) :]


def chance(token: int) -> TokenChance:
    return TokenChance(f"{token} ", f"{token} ".encode(), -float(token))


class WordDecoder:
    """Token 12 reads `12 `; END reads as nothing."""

    def feed(self, token: int) -> str:
        return f"{token} "


@dataclass
class ToyBackend:
    """`fails` lists the numbers of forward passes that raise; `gate` holds passes while unset."""

    cache_tokens: int = 10**9
    fails: set[int] = field(default_factory=set)
    is_sick: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    cache: dict[int, list[int]] = field(default_factory=dict)
    passes: list[list[tuple[int, int]]] = field(default_factory=list)
    peak_footprint: int = 0
    end_tokens: frozenset[int] = frozenset({END})

    def __post_init__(self):
        self.gate.set()

    def reserve(self, rows, columns):
        self.peak_footprint = max(self.peak_footprint, footprint(rows, columns))

    def forward(self, feeds):
        self.entered.set()
        assert self.gate.wait(10), "the test never opened the gate"
        self.passes.append([(feed.slot, feed.count) for feed in feeds])
        if len(self.passes) in self.fails:
            raise RuntimeError("the toy model failed")
        scores = []
        for feed in feeds:
            row = self.cache.setdefault(feed.slot, [])
            del row[feed.row.cached :]
            assert row == feed.row.tokens[: feed.row.cached], "the cache is not what it should be"
            row += feed.row.tokens[feed.row.cached :][: feed.count]
            scores.append(list(row))
        return scores

    def copy_row(self, source, target, tokens):
        assert len(self.cache.get(source, [])) >= tokens
        self.cache[target] = self.cache.get(source, [])[:tokens]

    def release(self):
        self.cache.clear()

    def require_health(self):
        if self.is_sick:
            raise RuntimeError("the toy device is in an error state")

    def build_sampler(self, sampling, index):
        # A second choice must differ, or a mix-up of choices would not show.
        return 0 if sampling.temperature == 0 else index

    def draw(self, scores, picks):
        return [(next_token(scores[number]) + offset) % VOCABULARY for number, offset in picks]

    def rank(self, scores, wanted):
        """The chance of a token falls with its number; the likeliest are the first ones."""
        return [(chance(token), tuple(map(chance, range(count)))) for _, token, count in wanted]

    def build_decoder(self, prompt):
        return WordDecoder()
