"""What the runtime said about the model that serves, and for how long that holds: pure."""

from dataclasses import dataclass, field

from modelyard_api.fetch import is_digest
from modelyard_api.report import RuntimeReport, decode_report
from modelyard_api.v1alpha1 import AdapterFacts, ModelDeployment, ModelFacts, StartupTimes, Task
from modelyard_operator.desired.names import FETCH_CONTAINER, name_adapter_fetch
from modelyard_operator.observed import Observed
from modelyard_operator.records import PodRecord
from modelyard_operator.startup import find_newest_ready, measure_startup


@dataclass(frozen=True, slots=True)
class Facts:
    """What status says of the model, its start and its device."""

    task: str = ""
    model: ModelFacts = field(default_factory=ModelFacts)
    startup: StartupTimes = field(default_factory=StartupTimes)
    actual: str = ""
    dtype: str = ""


def gather_facts(md: ModelDeployment, revision: str, current: str, observed: Observed) -> Facts:
    """Return what is known of the serving revision; what was known of another one is dropped."""
    of_revision = current or revision
    known = _recall_facts(md, of_revision)
    pod = find_newest_ready(observed.pods, of_revision)
    if pod is None:
        return known
    report = observed.reports.get(pod.uid)
    if report is not None:
        return _read_report(report, pod)
    startup = measure_startup(pod, None)
    if startup.total == known.startup.total:
        steps = {"load": known.startup.load, "warmup": known.startup.warmup}
        startup = startup.model_copy(update=steps)
    return Facts(known.task, known.model, startup, known.actual, known.dtype)


def find_unreported(md: ModelDeployment, revision: str, observed: Observed) -> PodRecord | None:
    """Return the pod whose report is worth asking for: the newest ready one, if it is news."""
    pod = find_newest_ready(observed.pods, revision)
    if pod is None or pod.uid in observed.reports:
        return None
    known = _recall_facts(md, revision)
    is_known = known.actual and known.startup.total == measure_startup(pod, None).total
    return None if is_known else pod


def _recall_facts(md: ModelDeployment, of_revision: str) -> Facts:
    last = md.status
    asked = "" if md.spec.model.task == Task.AUTO else str(md.spec.model.task)
    if of_revision != (last.revision.current or last.revision.target):
        return Facts(task=asked)
    return Facts(
        asked or last.task, last.model, last.startup, last.device.actual, last.device.dtype
    )


def _read_report(report: RuntimeReport, pod: PodRecord) -> Facts:
    return Facts(
        task=report.task,
        model=ModelFacts(
            format=report.format,
            size_bytes=report.size_bytes,
            parameters=report.parameters,
            optimization=report.optimization,
            resolved_revision=_find_digest(pod),
            # The runtime names them in the order of their numbers.
            adapters=tuple(
                AdapterFacts(
                    name=name,
                    resolved_revision=_find_fetched_revision(pod, name_adapter_fetch(place)),
                )
                for place, name in enumerate(report.adapters)
            ),
        ),
        startup=measure_startup(pod, report),
        actual=report.device.actual,
        dtype=report.device.dtype,
    )


def _find_digest(pod: PodRecord) -> str:
    """Return the digest of what the model's download brought; a commit is known beforehand."""
    revision = _find_fetched_revision(pod, FETCH_CONTAINER)
    return revision if is_digest(revision) else ""


def _find_fetched_revision(pod: PodRecord, container: str) -> str:
    """Return the commit or digest that a download brought; nothing of what came as an image."""
    end = pod.downloads.get(container)
    report = decode_report(end.message) if end is not None else None
    if report is None or report.download is None:
        return ""
    return report.download.resolved_revision
