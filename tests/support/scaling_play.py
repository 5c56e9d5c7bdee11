"""A model played second by second: what the autoscaler decides about it."""

from dataclasses import dataclass, field
from itertools import pairwise

from modelyard_operator.scaling.decision import Memory, Rule, Sample, decide


@dataclass
class Play:
    """A model whose pods are ready some seconds after they are asked for."""

    rule: Rule
    replicas: int = 1
    start_seconds: int = 0
    now: float = 1000.0
    memory: Memory = field(default_factory=Memory)
    samples: list = field(default_factory=list)
    told: list = field(default_factory=list)
    changes: list = field(default_factory=list)
    wanted_since: dict = field(default_factory=dict)

    def __post_init__(self):
        self.began = self.now
        self.wanted_since = dict.fromkeys(range(self.replicas), 0.0)

    @property
    def ready(self):
        return sum(self.now - since >= self.start_seconds for since in self.wanted_since.values())

    def step(self, load=0.0, *, silent=0, served=0, waiting=0):
        """One second: `silent` of the ready pods do not answer."""
        self.now += 1
        ready = self.ready
        answered = max(ready - silent, 0)
        known = load * answered / ready if ready else 0
        self.samples.append(Sample(self.now, known, ready, answered, served))
        self.samples = [s for s in self.samples if s.at > self.now - self.rule.window_seconds]
        decision = decide(
            self.rule,
            self.samples,
            self.memory,
            current=self.replicas,
            waiting=waiting,
            now=self.now,
        )
        if decision.replicas != self.replicas:
            second = round(self.now - self.began)
            self.changes.append((second, decision.replicas))
            self.told.append((second, self.replicas, decision.replicas, decision.why))
            self.set(decision.replicas)
        self.memory = decision.memory
        return self

    def set(self, replicas):
        self.replicas = replicas
        self.wanted_since = {
            number: self.wanted_since.get(number, self.now) for number in range(replicas)
        }

    def run(self, seconds, load=0.0, **more):
        for _ in range(seconds):
            self.step(load, **more)
        return self


def steady(rule, load, replicas, **more):
    """A play in which that load has been there for long."""
    return Play(rule, replicas, **more).run(400, load)


def find_turns(play, replicas=1):
    """When the direction changed."""
    turns, last = [], 0
    for second, wanted in play.changes:
        direction = 1 if wanted > replicas else -1
        if last not in (0, direction):
            turns.append(second)
        last, replicas = direction, wanted
    return turns


def gaps(times):
    return [b - a for a, b in pairwise(times)] or [float("inf")]
