"""What happens when a request is over: it is counted for its owner, and written down."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from modelyard_api.serving import AccessConfig
from modelyard_runtime.accounts.journal import Journal, Sink
from modelyard_runtime.accounts.records import (
    Exchange,
    build_audit_record,
    build_usage_record,
)
from modelyard_runtime.accounts.trickle import Trickle
from modelyard_runtime.metrics import Metrics

#: Standard output, which nothing else is written to: logs go to standard error.
_OUTPUT = 1


class Bookkeeper:
    """Keeps the accounts of a process."""

    def __init__(
        self,
        sink: Sink,
        metrics: Metrics,
        *,
        revision: str,
        is_auditing: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._metrics = metrics
        self._revision = revision
        self._is_auditing = is_auditing
        self._clock = clock
        self._refused = Trickle()

    def note(self, exchange: Exchange) -> None:
        """Account for a request. One that was refused for want of a key is nobody's use."""
        self._metrics.count_usage(exchange.usage, code=exchange.status)
        if not exchange.is_refused:
            self._sink.put(build_usage_record(exchange, revision=self._revision))
        if self._is_auditing:
            self._audit(exchange)

    def _audit(self, exchange: Exchange) -> None:
        unrecorded: int | None = 0
        if exchange.is_refused:
            # Anybody can be refused, as often as they like: that must not fill a disk.
            unrecorded = self._refused.take(self._clock())
        if unrecorded is not None:
            self._sink.put(build_audit_record(exchange, unrecorded=unrecorded))


@contextmanager
def keeping_accounts(
    config: AccessConfig, metrics: Metrics, *, revision: str
) -> Iterator[Bookkeeper | None]:
    """Write accounts to standard output until this is left; None where they are not wanted."""
    if not config.keeps_accounts:
        yield None
        return
    journal = Journal(_OUTPUT, on_loss=metrics.count_lost_record)
    try:
        yield Bookkeeper(journal, metrics, revision=revision, is_auditing=config.audit)
    finally:
        journal.close()
