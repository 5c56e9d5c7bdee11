"""What the operator remembers of the objects it watches: small frozen records, never bodies.

A parsed Deployment takes 23 KiB, its record less than one. Records compare without their
resource version, so that a write which changes nothing we read wakes nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Key(NamedTuple):
    """Which ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition of a Deployment or a pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rollout:
    """What a Deployment wants and has; `replicas` counts pods of every revision."""

    wanted: int
    observed_generation: int
    replicas: int
    updated: int
    ready: int
    facts: tuple[Fact, ...] = ()

    def fact(self, fact_type: str) -> Fact | None:
        """Return a condition by its type."""
        return next((fact for fact in self.facts if fact.type == fact_type), None)


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """A child that we applied: whose it is, what we applied, and whether anyone changed it.

    `touched` is a digest of who owns which field, status aside: it changes when anybody edits
    the object, also where `generation` does not count (metadata) or is missing (Services).
    `is_foreign` says that somebody besides us owns a field. Scaling counts for neither of them:
    `owns_replicas` says whether it is what we apply that sets a Deployment's replicas.
    """

    kind: str
    namespace: str
    name: str
    resource_version: str = field(compare=False)
    uid: str
    model: str
    owner_uid: str
    owner_name: str
    generation: int
    applied_hash: str
    touched: str
    is_foreign: bool
    template_input: str = ""
    rendering: str = ""
    good: str = ""
    last_good: str = ""
    failed: str = ""
    replaces: str = ""
    owns_replicas: bool = False
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    code: int
    reason: str
    message: str
    started: datetime | None
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A model pod, as far as its life and its failures go.

    `is_fetching` says that the model is not there yet: waiting, running, restarts and the last exit
    are then of the container that fetches it, which is called `fetcher`: the model's own, or an
    adapter's. `downloads` are how those ended that are over, by the name of the container, in the
    order in which they ran. `gone_by` is when the grace period of a pod
    that terminates is over; on a dead node it stays on.
    """

    namespace: str
    name: str
    resource_version: str = field(compare=False)
    uid: str
    model: str
    revision: str
    phase: str
    reason: str
    message: str
    is_terminating: bool
    ip: str
    memory_limit: str
    created: datetime
    facts: tuple[Fact, ...]
    waiting_reason: str
    waiting_message: str
    running_since: datetime | None
    restarts: int
    last_exit: Exit | None
    is_fetching: bool = False
    fetcher: str = "fetch"
    downloads: Mapping[str, Exit] = field(default_factory=dict)
    gone_by: datetime | None = None

    def fact(self, fact_type: str) -> Fact | None:
        """Return a condition by its type."""
        return next((fact for fact in self.facts if fact.type == fact_type), None)

    def since(self, fact_type: str) -> datetime | None:
        """Return when a condition became true, None while it is not."""
        fact = self.fact(fact_type)
        return fact.since if fact is not None and fact.status == "True" else None

    @property
    def is_homeless(self) -> bool:
        """The scheduler has found no node for it, and still looks."""
        fact = self.fact("PodScheduled")
        is_stuck = fact is not None and (fact.status, fact.reason) == ("False", "Unschedulable")
        return is_stuck and not self.is_terminating

    @property
    def is_ready(self) -> bool:
        """The pod serves, as its readiness probe has it."""
        return self.since("Ready") is not None and not self.is_terminating
