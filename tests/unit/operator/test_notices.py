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

CASES = {
    "a start is quiet": (NEW, STARTING, []),
    "readiness is told": (STARTING, READY, [("Normal", "Ready", "1 ready. http://x")]),
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
