"""A breaker before the API server: when it serves nobody, one key at a time asks. Pure."""

from collections.abc import Callable, Hashable

from modelyard_kube.backoff import full_jitter

#: So many different keys in a row; fewer keep each other waiting for no good reason.
_LIMIT = 5
_BASE_SECONDS = 1.0


class Breaker:
    """Opens when several keys in a row were not served, and closes with the first that is."""

    def __init__(
        self, *, now: Callable[[], float], random: Callable[[], float], patience_seconds: float
    ) -> None:
        """`patience_seconds` is how late at most the end of an outage is noticed."""
        self._now = now
        self._random = random
        self._patience_seconds = patience_seconds
        self._struck: set[Hashable] = set()
        self._rounds = 0
        self._until = 0.0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether keys are held back."""
        return len(self._struck) >= _LIMIT

    def strike(self, key: Hashable, at_least: float) -> None:
        """Note that a key was not served, and was asked to wait for so many seconds."""
        if not self.is_open:
            self._struck.add(key)
        # Those that were under way when it opened say nothing new.
        if self.is_open and (self._is_probing or self._now() >= self._until):
            self._is_probing = False
            self._rounds += 1
            ceiling = full_jitter(
                self._rounds,
                base_seconds=_BASE_SECONDS,
                max_seconds=self._patience_seconds,
                random=lambda: 0.5 + 0.5 * self._random(),
            )
            self._until = self._now() + max(ceiling, at_least)

    def close(self) -> None:
        """Note that a key was served, or refused for reasons of its own."""
        self._struck.clear()
        self._rounds = 0
        self._until = 0.0
        self._is_probing = False

    def hold_seconds(self) -> float:
        """Return for how long no key may be taken."""
        return max(self._until - self._now(), 0.0) if self.is_open else 0.0

    def let_one_pass(self) -> None:
        """Note that a key is taken; while open no other is, until this one tells or is slow."""
        if self.is_open:
            self._is_probing = True
            self._until = self._now() + self._patience_seconds
