"""How a container ended, in words."""

import json

import pytest

from modelyard_operator.failures import describe_failure, explain, find_failure
from tests.support.objects import (
    NOW,
    SANDBOX,
    SCHEDULED,
    UNREADY,
    condition,
    container,
    ended,
    parse,
    pod,
    status_of,
    waiting,
)

STARTED = (SCHEDULED, SANDBOX, UNREADY)
LIMIT = {"memory": "2Gi"}


def crashed(code, reason="Error", message="", *, limits=None, restarts=2):
    """A pod whose container keeps ending."""
    state = waiting("CrashLoopBackOff")
    containers = container(state, ended(code, reason, message), restarts)
    return pod(status=status_of(*STARTED, containers=containers), limits=limits or {})


@pytest.fixture
def md():
    return parse()


EXITS = {
    "a kill while it loads": (
        crashed(137, "OOMKilled", limits=LIMIT),
        (
            "The runtime was killed by the kernel at its memory limit of 2Gi while it loaded the "
            "model."
        ),
    ),
    "a kill while it served": (
        pod(
            limits=LIMIT,
            status=status_of(
                SCHEDULED,
                SANDBOX,
                condition("Ready", "False", since=500),
                containers=container(
                    waiting("CrashLoopBackOff"), ended(137, "OOMKilled", finished=500), 1
                ),
            ),
        ),
        "The runtime was killed by the kernel at its memory limit of 2Gi while it served.",
    ),
    "an exception": (
        crashed(1, message='Traceback …\n  File "x.py"\nValueError: no such thing'),
        "The runtime ended with exit code 1 while it loaded the model: ValueError: no such thing.",
    ),
    "a fault in native code": (
        crashed(139),
        (
            "The runtime was ended by SIGSEGV, exit code 139 (a fault in native code) while it "
            "loaded the model."
        ),
    ),
    "an exit that the node forgot": (
        crashed(137, "ContainerStatusUnknown", limits=LIMIT),
        (
            "The runtime was ended by SIGKILL, exit code 137 (killed from outside: by the kernel "
            "for memory, or by somebody) while it loaded the model."
        ),
    ),
}


@pytest.mark.parametrize("sentence", EXITS)
def test_an_exit_is_told_in_plain_words(md, sentence):
    record, message = EXITS[sentence]
    assert explain(md, record).message == message


def test_another_restart_changes_no_word(md):
    """Else each would be a write of the status, and an Event of its own."""
    again = [explain(md, crashed(1, message="boom", restarts=count)) for count in (1, 7)]
    assert again[0].message == again[1].message
    assert again[0].hint == again[1].hint


def test_a_report_that_was_cut_is_none(md):
    message = "word " * 1000
    report = json.dumps(
        {"state": "failed", "error": {"reason": "LoadFailed", "message": message, "hint": message}}
    )
    assert explain(md, crashed(78, message=report[:4000])).reason == "Crashed"


def test_message_and_hint_fit_into_an_event(md):
    report = json.dumps(
        {
            "state": "failed",
            "error": {
                "reason": "LoadFailed",
                "message": "a\nb" * 500,
                "hint": "word " * 200,
            },
        }
    )
    failure = find_failure(md, "r1", [crashed(78, message=report)], NOW)
    assert failure.message.startswith("a ba b")
    assert len(describe_failure(failure)) <= 1000


def test_a_container_killed_after_it_had_served_did_not_miss_the_deadline(md):
    facts = (SCHEDULED, SANDBOX, condition("Ready", "False", since=5000))
    containers = container(waiting("CrashLoopBackOff"), ended(137, started=10, finished=5000), 1)
    cause = explain(md, pod(status=status_of(*facts, containers=containers)))
    assert cause.reason == "Crashed"
