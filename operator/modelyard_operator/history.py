"""The revisions whose rollout has ended, as status tells of them: pure.

Everything follows from the last status and the ledger, so that a pass which was cut off before its
status was written loses no entry.
"""

from modelyard_api.v1alpha1 import HistoryEntry, Outcome, Status
from modelyard_operator.desired.ledger import FailedRevision, Ledger

_MOST = 5
_MESSAGE_LIMIT = 256


def record_history(last: Status, ledger: Ledger, now: str) -> tuple[HistoryEntry, ...]:
    """Return the history, the newest first, with what has ended since the last status."""
    entries = list(last.history)
    superseded = last.revision.target
    if superseded not in {"", ledger.wanted_revision} and not _has_ended(superseded, last):
        entries.insert(0, _build_superseded(superseded, last, now))
    if ledger.failed is not None and _is_news(ledger.failed, entries):
        entries.insert(0, _build_failed(ledger.failed))
    if ledger.is_good and ledger.revision != last.revision.last_good:
        entries.insert(0, _build_good(ledger, now))
    return tuple(entries[:_MOST])


def _has_ended(revision: str, last: Status) -> bool:
    return revision in {last.revision.last_good, last.revision.failed}


def _is_news(failed: FailedRevision, entries: list[HistoryEntry]) -> bool:
    return all((entry.revision, entry.at) != (failed.revision, failed.at) for entry in entries)


def _build_superseded(revision: str, last: Status, now: str) -> HistoryEntry:
    return HistoryEntry(
        revision=revision,
        model_revision=last.model.resolved_revision,
        at=now,
        outcome=Outcome.SUPERSEDED,
        reason=last.failure.reason if last.failure is not None else "",
        message=last.failure.message[:_MESSAGE_LIMIT] if last.failure is not None else "",
    )


def _build_failed(failed: FailedRevision) -> HistoryEntry:
    return HistoryEntry(
        revision=failed.revision,
        model_revision=failed.model_revision,
        image=failed.image,
        at=failed.at,
        outcome=Outcome.FAILED,
        reason=failed.failure.reason,
        message=failed.failure.message[:_MESSAGE_LIMIT],
    )


def _build_good(ledger: Ledger, now: str) -> HistoryEntry:
    return HistoryEntry(
        revision=ledger.revision,
        model_revision=ledger.rendering.commit,
        image=ledger.rendering.image,
        at=now,
        outcome=Outcome.GOOD,
    )
