"""Bringing models up to what the platform renders today, so many at a time.

Without being asked (policy `rollout.maxConcurrent`) a model keeps its pod template until its spec
changes. A renewal that fails rolls back like any update, and keeps its place: an image that breaks
models stops after the first few of them.
"""

from collections.abc import Callable
from enum import Enum, auto

from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.desired.rendering import Rendering
from modelyard_operator.records import Key
from modelyard_operator.scaling.handover import find_wanted


class Age(Enum):
    """How a model's template compares to what would be rendered for it today."""

    UP_TO_DATE = auto()
    STALE = auto()
    #: It is being renewed, or that has failed.
    UNDER_RENEWAL = auto()


def find_age(
    md: ModelDeployment, ledger: Ledger, today: Rendering, *, live: int | None = None
) -> Age:
    """Compare the applied rendering with one of the same spec and commit under today's policy.

    Without pods nothing could prove itself, so a model at rest waits until it is wanted. `live` is
    what its Deployment wants.
    """
    # The same spec, rendered anew: no person's update.
    is_renewal = ledger.tried_input == _find_good_input(ledger)
    failed = ledger.failed
    if not is_renewal:
        return Age.UP_TO_DATE
    if failed is not None and failed.revision == today.revision:
        return Age.UNDER_RENEWAL
    if not find_wanted(md.spec, live):
        return Age.UP_TO_DATE
    if failed is None and not ledger.is_good:
        return Age.UNDER_RENEWAL
    return Age.STALE if today.revision != ledger.revision else Age.UP_TO_DATE


def _find_good_input(ledger: Ledger) -> str:
    if ledger.is_good:
        return ledger.input
    return ledger.last_good.input if ledger.last_good is not None else ""


class Renewals:
    """The places of models that are being renewed, and the queue for them.

    After a start places are only given away when every model has been looked at, since some may be
    under renewal already.
    """

    def __init__(
        self, limit: int, *, wake: Callable[[Key], None], has_seen_all: Callable[[], bool]
    ) -> None:
        self._limit = limit
        self._wake = wake
        self._has_seen_all = has_seen_all
        self._held: set[Key] = set()
        self._waiting: dict[Key, None] = {}

    @property
    def are_wanted(self) -> bool:
        """The policy asks for renewals at all."""
        return self._limit > 0

    def ask(self, key: Key, age: Age) -> bool:
        """Tell whether a model is to be renewed now; one that must wait is woken when it may."""
        self._waiting.pop(key, None)
        if age is Age.UP_TO_DATE:
            self._held.discard(key)
        elif age is Age.UNDER_RENEWAL:
            self._held.add(key)
        elif key not in self._held:
            if not self._is_free():
                self._waiting[key] = None
                return False
            self._held.add(key)
        self.wake_next()
        return age is Age.STALE

    def forget(self, key: Key) -> None:
        """Drop a model that is gone."""
        self._waiting.pop(key, None)
        self._held.discard(key)
        self.wake_next()

    def forget_all(self) -> None:
        """Forget all, as if this process had just started."""
        self._waiting.clear()
        self._held.clear()

    def _is_free(self) -> bool:
        return len(self._held) < self._limit and self._has_seen_all()

    def wake_next(self) -> None:
        """Wake the first that waits, if its time has come."""
        if self._waiting and self._is_free():
            self._wake(next(iter(self._waiting)))
