"""Why a container ended: by its own report, for memory, at the deadline, or by a crash. Pure."""

from signal import Signals

from modelyard_api.meta import EXIT_CANNOT_START, Reason
from modelyard_api.report import decode_report
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.names import CONTAINER, FETCH_CONTAINER
from modelyard_operator.failures.cause import Cause, end_sentence
from modelyard_operator.failures.last_words import find_last_words
from modelyard_operator.records import Exit, PodRecord

_KILLED = 137
_SIGNALLED = 128
#: Exit codes of a runtime that was asked to stop: gracefully, by SIGTERM, by SIGKILL.
_STOPPED = frozenset({0, 143, _KILLED})
#: The node forgot what became of the container, and the kubelet made the exit code up.
_UNKNOWN = "ContainerStatusUnknown"

_SIGNALS = {
    Signals.SIGKILL: "killed from outside: by the kernel for memory, or by somebody",
    Signals.SIGILL: "the node's CPU lacks instructions that the libraries use",
    Signals.SIGSEGV: "a fault in native code",
    Signals.SIGBUS: "a file or shared memory could not be read or written, often for want of room",
    Signals.SIGABRT: "native code gave up",
}


def explain_report(_: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return what the container itself said about why it cannot start."""
    ended = pod.last_exit
    if ended is None or ended.code != EXIT_CANNOT_START:
        return None
    report = decode_report(ended.message)
    if report is None or report.error is None:
        return None
    error = report.error
    return Cause(error.reason, error.message, error.hint, exit=ended)


def explain_memory(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return the memory that the container had when the kernel killed it for that."""
    ended = pod.last_exit
    if ended is None:
        return None
    limit = pod.memory_limit
    if ended.reason == "OOMKilled":
        what = (
            f"was killed by the kernel at its memory limit of {limit}"
            if limit
            else "was killed by the kernel, since the node ran out of memory (it has no limit)"
        )
    elif (
        ended.code == _KILLED
        and limit
        and ended.reason != _UNKNOWN
        and not _had_whole_deadline(md, pod, ended)
    ):
        # Some container runtimes miss the kernel's notice and report only SIGKILL.
        what = f"was killed (exit code 137), most likely at its memory limit of {limit}"
    else:
        return None
    now = f"now {limit}" if limit else "now none, so nothing is kept free for it"
    hint = f"Raise spec.resources.memory ({now}), or serve a smaller model or number type."
    return Cause(
        Reason.OUT_OF_MEMORY,
        f"{_name_container(pod)} {what}{_name_stage(pod, ended)}.",
        hint,
        exit=ended,
        log_tail=ended.message,
    )


def explain_crash(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return how the container ended, in its own last words."""
    ended = pod.last_exit
    if ended is None:
        return None
    if _had_whole_deadline(md, pod, ended):
        deadline = md.spec.update.progress_deadline
        return Cause(
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            f"The runtime was stopped: it had not loaded the model within {deadline}.",
            "Raise spec.update.progressDeadline, or give the pod more CPU or a faster disk.",
            exit=ended,
            log_tail=ended.message,
        )
    words = find_last_words(ended.message)
    told = f"{_name_container(pod)} {_describe_end(ended)}{_name_stage(pod, ended)}"
    container = pod.fetcher if pod.is_fetching else CONTAINER
    return Cause(
        Reason.CRASHED,
        end_sentence(f"{told}: {words}" if words else told),
        "Check spec.runtime.env and the model's files. status.failure.logTail has the last lines; "
        "the whole log: "
        f"kubectl -n {pod.namespace} logs {pod.name} -c {container} --previous",
        exit=ended,
        log_tail=ended.message,
    )


def _describe_end(ended: Exit) -> str:
    number = ended.code - _SIGNALLED
    name = next((known for known in _SIGNALS if known == number), None)
    if name is None:
        return f"ended with exit code {ended.code}"
    return f"was ended by {name.name}, exit code {ended.code} ({_SIGNALS[name]})"


def _had_whole_deadline(md: ModelDeployment, pod: PodRecord, ended: Exit) -> bool:
    """Tell the kubelet's kill of a container that never started up from any other end."""
    if pod.is_fetching or ended.code not in _STOPPED:
        return False  # nothing limits the time of a download but the Deployment's own deadline
    if ended.started is None or ended.finished is None or _had_served(pod, ended):
        return False
    ran_seconds = (ended.finished - ended.started).total_seconds()
    return ran_seconds >= md.spec.update.progress_deadline_seconds


def _had_served(pod: PodRecord, ended: Exit) -> bool:
    """The pod stopped being ready after that run had begun."""
    ready = pod.fact("Ready")
    if ready is None or ready.since is None or ended.started is None:
        return False
    return ready.since > ended.started


def _name_container(pod: PodRecord) -> str:
    if not pod.is_fetching:
        return "The runtime"
    what = "the model" if pod.fetcher == FETCH_CONTAINER else "an adapter"
    return f"The download of {what}"


def _name_stage(pod: PodRecord, ended: Exit) -> str:
    if pod.is_fetching:
        return ""
    return " while it served" if _had_served(pod, ended) else " while it loaded the model"
