"""Starts the operator again whenever it ends, as Kubernetes does with a pod, and keeps account."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True)
class Exit:
    """An end that nobody asked for."""

    status: int
    at: float


class Supervisor:
    """Keeps an OperatorProcess running. `exits` has its unasked ends."""

    def __init__(self, operator):
        self.operator = operator
        self.exits = []

    def start(self):
        self.operator.start()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def stop(self):
        self._is_over.set()
        self._thread.join()
        return self.operator.stop()

    @contextmanager
    def at_rest(self):
        """Stop it while the block lasts."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _watch(self):
        while not self._is_over.wait(0.05):
            status = self.operator.process.poll()
            if status is not None:
                self.exits.append(Exit(status, monotonic()))
                self.operator.start(wait=False)
