"""RuntimeReport v1: what the runtime knows about itself and its model.

While it runs: `GET /report` on the internal port. When it cannot start: the pod's termination
message, with exit code EXIT_CANNOT_START. `fetch` (the init container) leaves one there when it is
done, too. A report that cannot be had means unknown, never good.
"""

import json
from enum import StrEnum
from typing import Literal

from modelyard_api.document import Document
from modelyard_api.v1alpha1 import Optimization

#: The kubelet keeps this many bytes of a container's termination message.
MAX_TERMINATION_MESSAGE_BYTES = 4096
#: Stands for the middle of a message that is too long.
_GAP = " […] "


class State(StrEnum):
    """Where the runtime is in its life."""

    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    #: A command that serves nothing (`fetch`) has done its work.
    DONE = "done"


class ReportedDevice(Document):
    """Where the weights are: `cpu`, or `cuda:0 NVIDIA H100`; and their number type."""

    actual: str = ""
    dtype: str = ""


class ReportedStartup(Document):
    """Seconds spent in each step, null until it is over.

    `total` counts from process start until ready, the verification included.
    """

    load: float | None = None
    warmup: float | None = None
    total: float | None = None


class ReportedDownload(Document):
    """What `fetch` did: bytes that came over the network (0: all was there), and in what time.

    `resolved_revision` is the commit that was fetched, or that the revision stands for; of a bucket
    it is the digest of what was listed.
    """

    bytes: int | None = None
    seconds: float | None = None
    resolved_revision: str = ""


class Verification(Document):
    """Outcome of the declared verification request; null where there is none, or it is not over."""

    passed: bool
    message: str = ""


class ReportedError(Document):
    """Why the runtime cannot start: a reason of `meta.Reason`, what happened, what to do."""

    reason: str
    message: str
    hint: str = ""


class RuntimeReport(Document):
    """The report. Sizes are of the weights as loaded."""

    version: Literal[1] = 1
    state: State
    model_name: str = ""
    task: str = ""
    format: str = ""
    device: ReportedDevice = ReportedDevice()
    size_bytes: int | None = None
    parameters: int | None = None
    context_tokens: int | None = None
    startup: ReportedStartup = ReportedStartup()
    verification: Verification | None = None
    adapters: tuple[str, ...] = ()
    optimization: Optimization | None = None
    download: ReportedDownload | None = None
    error: ReportedError | None = None


def encode_termination_message(report: RuntimeReport) -> str:
    """Return JSON that the kubelet keeps whole; a long error message loses its middle."""
    text = report.model_dump_json(by_alias=True, exclude_defaults=True)
    size = len(text.encode())
    if size <= MAX_TERMINATION_MESSAGE_BYTES or report.error is None:
        return text
    # Escapes (a quote, a newline) and letters beyond ASCII take more bytes than characters: begin
    # as if all characters were alike, and halve until it fits.
    message = report.error.message
    message_bytes = len(json.dumps(message, ensure_ascii=False).encode())
    room = message_bytes - (size - MAX_TERMINATION_MESSAGE_BYTES) - len(_GAP.encode())
    keep = len(message) * max(room, 0) // message_bytes
    while True:
        half = keep // 2
        short = message[:half] + _GAP + message[len(message) - half :]
        error = report.error.model_copy(update={"message": short})
        text = report.model_copy(update={"error": error}).model_dump_json(
            by_alias=True, exclude_defaults=True
        )
        if len(text.encode()) <= MAX_TERMINATION_MESSAGE_BYTES or half == 0:
            return text
        keep = half


def decode_report(text: str) -> RuntimeReport | None:
    """Read a report; None when the text is not one (a crash's last log lines, for example)."""
    try:
        return RuntimeReport.model_validate_json(text)
    except ValueError:
        return None
