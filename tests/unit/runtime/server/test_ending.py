"""What is left behind by a process that cannot start."""

import pytest

from modelyard_api.meta import Reason
from modelyard_api.report import (
    MAX_TERMINATION_MESSAGE_BYTES,
    ReportedError,
    RuntimeReport,
    State,
    Verification,
    decode_report,
    encode_termination_message,
)
from modelyard_runtime.ending import report_failed_start
from modelyard_runtime.errors import CannotStart


def test_a_failed_verification_is_an_outcome_too():
    error = CannotStart(Reason.VERIFICATION_FAILED, "$.a is 2, expected 1", hint="Correct it.")
    assert report_failed_start(error, model_name="tiny") == RuntimeReport(
        state=State.FAILED,
        model_name="tiny",
        verification=Verification(passed=False, message="$.a is 2, expected 1"),
        error=ReportedError(
            reason="VerificationFailed", message="$.a is 2, expected 1", hint="Correct it."
        ),
    )


def test_whatever_else_fails_says_nothing_of_a_verification():
    error = CannotStart(Reason.MODEL_NOT_FOUND, "no model here")
    assert report_failed_start(error).verification is None


@pytest.mark.parametrize("letter", ["a", '"', "日", "🙂"])
def test_a_long_tale_leaves_the_outcome_and_the_hint_whole(letter):
    error = CannotStart(Reason.VERIFICATION_FAILED, letter * 4000, hint="Correct it.")
    text = encode_termination_message(report_failed_start(error))
    assert len(text.encode()) <= MAX_TERMINATION_MESSAGE_BYTES
    report = decode_report(text)
    assert report.verification == Verification(
        passed=False, message=f"{letter * 400}… (4000 characters)"
    )
    assert (report.error.reason, report.error.hint) == ("VerificationFailed", "Correct it.")
    assert report.error.message.startswith(letter)
