"""RuntimeReport: what is told on `/report`."""

import os
import time
from pathlib import Path

from modelyard_api.report import ReportedDevice, RuntimeReport
from modelyard_runtime.lifecycle import Lifecycle

#: Index of starttime in /proc/self/stat, counted after the parenthesised command name (proc(5)).
_START_TIME = 19


def build_report(life: Lifecycle) -> RuntimeReport:
    """Tell all that is known now; what the engine knows is missing until it is loaded."""
    report = RuntimeReport(
        state=life.state,
        model_name=life.config.model_name,
        startup=life.startup,
        verification=life.verification,
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
            "optimization": info.optimization,
            "adapters": info.adapters,
        }
    )


def process_age_seconds() -> float | None:
    """Seconds since the kernel started this process; None where /proc does not say."""
    try:
        stat = Path("/proc/self/stat").read_text()
        started = int(stat.rpartition(")")[2].split()[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return round(time.clock_gettime(time.CLOCK_BOOTTIME) - started, 3)
    except (OSError, ValueError, IndexError, AttributeError):
        return None
