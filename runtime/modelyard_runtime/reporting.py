"""RuntimeReport: what is told on `/report`, and as the termination message of a failed start."""

import logging
import os
import time
from pathlib import Path

from modelyard_api.report import (
    ReportedDevice,
    ReportedError,
    RuntimeReport,
    State,
    encode_termination_message,
)
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.lifecycle import Lifecycle

_log = logging.getLogger(__name__)

#: Index of starttime in /proc/self/stat, counted after the parenthesised command name (proc(5)).
_START_TIME = 19


def build_report(life: Lifecycle) -> RuntimeReport:
    """Tell all that is known now; what the engine knows is missing until it is loaded."""
    report = RuntimeReport(
        state=life.state,
        model_name=life.config.model_name,
        startup=life.startup,
        error=life.error,
    )
    if life.engine is None:
        return report
    info = life.engine.info
    return report.model_copy(
        update={
            "task": info.task.value,
            "format": info.format,
            "device": ReportedDevice(actual=info.device, dtype=info.dtype),
            "size_bytes": info.size_bytes,
            "parameters": info.parameters,
            "context_tokens": info.context_tokens,
        }
    )


def report_failed_start(error: CannotStart, *, model_name: str = "") -> RuntimeReport:
    """Tell why the process ends."""
    return RuntimeReport(state=State.FAILED, model_name=model_name, error=reported_error(error))


def reported_error(error: CannotStart) -> ReportedError:
    """Return the fault as the report carries it."""
    return ReportedError(reason=error.reason.value, message=error.message, hint=error.hint)


def write_termination_message(path: Path, report: RuntimeReport) -> None:
    """Leave the report where the kubelet looks for it. Outside of a pod there is no such file."""
    try:
        # The kubelet makes the file; making it where there is none would litter a laptop's /dev.
        with path.open("r+") as file:
            file.truncate()
            file.write(encode_termination_message(report))
    except OSError as error:
        _log.debug("no_termination_message", extra={"explanation": str(error)})


def process_age_seconds() -> float | None:
    """Seconds since the kernel started this process; None where /proc does not say."""
    try:
        stat = Path("/proc/self/stat").read_text()
        started = int(stat.rpartition(")")[2].split()[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return round(time.clock_gettime(time.CLOCK_BOOTTIME) - started, 3)
    except (OSError, ValueError, IndexError, AttributeError):
        return None
