"""Which changes of a status become Events."""

import pytest

from modelyard_api.v1alpha1 import Failure, Revision, Status, StatusCondition
from modelyard_operator.notices import find_notices


def status(*conditions, failure=None, target="r1"):
    return Status(
        conditions=tuple(
            StatusCondition(
                type=kind,
                status=value,
                observed_generation=1,
                last_transition_time="",
                reason=reason,
                message=message,
            )
            for kind, value, reason, message in conditions
        ),
        failure=failure,
        revision=Revision(target=target),
        url="http://x",
    )


NEW = Status()
STARTING = status(("Accepted", "True", "Accepted", ""), ("Ready", "False", "Starting", "wait"))
READY = status(("Accepted", "True", "Accepted", ""), ("Ready", "True", "Serving", "1 ready."))
REFUSED = status(("Accepted", "False", "NameTaken", "taken"), ("Ready", "False", "NameTaken", ""))
FAILED = STARTING.model_copy(update={"failure": Failure(reason="Crashed", message="boom")})
FAILED_MORE = STARTING.model_copy(update={"failure": Failure(reason="Crashed", message="boom 2")})
UPDATING = STARTING.model_copy(update={"revision": Revision(target="r2")})

UPDATED = status(("Progressing", "True", "RollingOut", ""), target="r2")
REPLACING = status(("Progressing", "True", "Replacing", "No room."), target="r2")
ROLLED_BACK = status(("Progressing", "False", "RolledBack", "r2 failed."), target="r2").model_copy(
    update={"revision": Revision(target="r2", failed="r2")}
)
ROLLED_BACK_AGAIN = ROLLED_BACK.model_copy(update={"revision": Revision(target="r3", failed="r3")})
PAUSED = status(("Progressing", "False", "UpdatePaused", "r2 failed."), target="r2")

CASES = {
    "that pods take the place of old ones is told": (
        UPDATED,
        REPLACING,
        [("Normal", "Replacing", "No room.")],
    ),
    "a target that is not known yet is not told": (READY, status(target=""), []),
    "a lasting replacement is not told again": (REPLACING, REPLACING, []),
    "a rollback is a warning": (REPLACING, ROLLED_BACK, [("Warning", "RolledBack", "r2 failed.")]),
    "a lasting rollback is not told again": (ROLLED_BACK, ROLLED_BACK, []),
    "the rollback of another revision is told": (
        ROLLED_BACK,
        ROLLED_BACK_AGAIN,
        [
            ("Normal", "RollingOut", "Rolling out revision r3 after r2."),
            ("Warning", "RolledBack", "r2 failed."),
        ],
    ),
    "a pause is a warning": (UPDATED, PAUSED, [("Warning", "UpdatePaused", "r2 failed.")]),
    "a start is quiet": (NEW, STARTING, []),
    "readiness is told": (
        STARTING,
        READY,
        [("Normal", "Ready", "1 ready. Revision r1 serves at http://x.")],
    ),
    "lasting readiness is not told again": (READY, READY, []),
    "a refusal is a warning": (NEW, REFUSED, [("Warning", "NameTaken", "taken")]),
    "a lasting refusal is not told again": (REFUSED, REFUSED, []),
    "a failure is a warning": (STARTING, FAILED, [("Warning", "Crashed", "boom.")]),
    "the same failure in other words is not told again": (FAILED, FAILED_MORE, []),
    "a new revision is told": (
        READY,
        UPDATING,
        [("Normal", "RollingOut", "Rolling out revision r2 after r1.")],
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_events(sentence):
    last, now, expected = CASES[sentence]
    assert [(n.type, n.reason, n.message) for n in find_notices(last, now)] == expected
