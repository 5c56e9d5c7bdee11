"""How this process ends: a report for the kubelet where it could not do its work, then the end."""

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from modelyard_api.meta import EXIT_CANNOT_START, Reason
from modelyard_api.report import (
    ReportedError,
    RuntimeReport,
    State,
    Verification,
    encode_termination_message,
)
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.excerpts import excerpt_text
from modelyard_runtime.settings import PREFIX, Settings

#: Of a verification's outcome, which stands in the error as well. A termination message that is too
#: long loses the middle of the error only.
_MAX_OUTCOME = 400

_log = logging.getLogger(__name__)


def find_termination_log(environment: Mapping[str, str]) -> Path:
    """Return where to tell, also when the settings as a whole cannot be read."""
    return Path(environment.get(f"{PREFIX}TERMINATION_LOG") or Settings().termination_log)


def explain_failed_start(error: CannotStart, settings: Settings, *, model_name: str = "") -> int:
    """Tell why, in the log and to the kubelet; return the exit code that goes with it."""
    _log.critical(
        "cannot_start",
        extra={"reason": error.reason.value, "explanation": error.message, "hint": error.hint},
    )
    write_termination_message(
        settings.termination_log, report_failed_start(error, model_name=model_name)
    )
    return EXIT_CANNOT_START


def report_failed_start(error: CannotStart, *, model_name: str = "") -> RuntimeReport:
    """Tell why the process ends."""
    return RuntimeReport(
        state=State.FAILED,
        model_name=model_name,
        verification=reported_verification(error),
        error=reported_error(error),
    )


def reported_error(error: CannotStart) -> ReportedError:
    """Return the fault as the report carries it."""
    return ReportedError(reason=error.reason.value, message=error.message, hint=error.hint)


def reported_verification(error: CannotStart) -> Verification | None:
    """Return the outcome of the verification, if that is what failed."""
    if error.reason is not Reason.VERIFICATION_FAILED:
        return None
    return Verification(passed=False, message=excerpt_text(error.message, _MAX_OUTCOME))


def write_termination_message(path: Path, report: RuntimeReport) -> None:
    """Leave the report where the kubelet looks for it. Outside of a pod there is no such file."""
    try:
        # The kubelet makes the file; making it where there is none would litter a laptop's /dev.
        with path.open("r+") as file:
            file.truncate()
            file.write(encode_termination_message(report))
    except OSError as error:
        _log.debug("no_termination_message", extra={"explanation": str(error)})


def leave(code: int) -> NoReturn:
    """End the process now; Python's own way out waits for every thread, also for one that loads."""
    _log.info("exit", extra={"code": code})
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
