"""The history in status follows from the last status and the ledger."""

import pytest

from modelyard_api.v1alpha1 import Failure, HistoryEntry, Outcome, Revision, Status
from modelyard_operator.desired.ledger import FailedRevision
from modelyard_operator.history import record_history
from tests.support.objects import NOW, target

OLDER = tuple(HistoryEntry(revision=f"r{n}", outcome=Outcome.GOOD) for n in range(5))
BEFORE = "2026-11-22T09:00:00Z"


def failed(revision, at=NOW):
    failure = Failure(reason="Crashed", message="It fell.")
    return FailedRevision(
        revision=revision, input="i", failure=failure, at=at, image="runtime:2", model_revision="c"
    )


def last(target_revision="", last_good="", failed_revision="", history=()):
    revision = Revision(target=target_revision, last_good=last_good, failed=failed_revision)
    return Status(revision=revision, history=history)


def entry(revision, outcome, at=NOW, **more):
    return HistoryEntry(revision=revision, outcome=outcome, at=at, **more)


FAILED = entry(
    *("r2", Outcome.FAILED),
    reason="Crashed",
    message="It fell.",
    image="runtime:2",
    model_revision="c",
)


@pytest.mark.parametrize(
    ("before", "ledger", "expected"),
    [
        pytest.param(last(), target("r1"), (), id="a start is no end"),
        pytest.param(
            last("r1"), target("r1", good="r1"), (entry("r1", Outcome.GOOD),), id="good at last"
        ),
        pytest.param(
            last("r1", "r1", history=OLDER[:1]),
            target("r1", good="r1"),
            OLDER[:1],
            id="still good is no news",
        ),
        pytest.param(
            last("r2"), target("r3"), (entry("r2", Outcome.SUPERSEDED),), id="an edit came before"
        ),
        pytest.param(last("r1", "r1"), target("r2"), (), id="a good one was replaced"),
        pytest.param(
            last("r2", "r1"), target("r1", good="r1", failed=failed("r2")), (FAILED,), id="given up"
        ),
        pytest.param(
            last("r2", "r1", "r2", history=(FAILED,)),
            target("r1", good="r1", failed=failed("r2")),
            (FAILED,),
            id="still given up is no news",
        ),
        pytest.param(
            last("r2", "r1", "r2", history=(FAILED,)),
            target("r1", good="r1", failed=failed("r2", at="2026-11-22T10:30:00Z")),
            (FAILED.model_copy(update={"at": "2026-11-22T10:30:00Z"}), FAILED),
            id="given up once more after another try",
        ),
        pytest.param(
            last("r2", "r1", "r2", history=(FAILED,)),
            target("r3"),
            (FAILED,),
            id="what was given up is not superseded as well",
        ),
        pytest.param(
            last("r9", "r0", history=OLDER),
            target("r9", good="r9"),
            (entry("r9", Outcome.GOOD), *OLDER[:4]),
            id="five are kept",
        ),
    ],
)
def test_what_has_ended_is_recorded_once(before, ledger, expected):
    assert record_history(before, ledger, NOW) == expected
