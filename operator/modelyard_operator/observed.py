"""What a reconcile sees of the cluster besides the object itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelyard_api.report import RuntimeReport
from modelyard_operator.records import ChildRecord, PodRecord, Rollout


@dataclass(frozen=True, slots=True)
class Observed:
    """The live Deployment, the model's pods of all revisions, and reports by pod uid.

    A pod without a report is one whose facts are unknown. `obstacle` says what everything waits
    for, where that is nothing a pod could tell.
    """

    deployment: ChildRecord | None = None
    pods: tuple[PodRecord, ...] = ()
    reports: Mapping[str, RuntimeReport] = field(default_factory=dict)
    obstacle: str = ""

    @property
    def rollout(self) -> Rollout:
        """What the Deployment wants and has; nothing where there is none."""
        if self.deployment is None or self.deployment.rollout is None:
            return Rollout(wanted=0, observed_generation=0, replicas=0, updated=0, ready=0)
        return self.deployment.rollout
