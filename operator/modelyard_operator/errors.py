"""What can go wrong in the operator.

OperatorError
├── SettingsInvalid     the environment or the policy file cannot be used: the process ends
├── Refused             the object is not acted upon; status.conditions say why
├── Obstructed          the object is accepted, and something else stands in its way
│   ├── ChildRefused    the API server refuses a child and would refuse it again unchanged
│   ├── ScalerUnavailable   what scales the model is not installed
│   └── Unresolved      the model's revision cannot be resolved to a commit
├── ChildLeftOver       a child of a deleted object of the same name is still being collected
├── NamespaceLeaving    the namespace is being deleted: nothing is to be done any more
└── WatchLost           kopf's watch is dead though it does not know: the process ends

What the cluster does not answer, or answers with a passing error, is modelyard_kube's
ClusterError: the key is tried again with backoff.
"""

from modelyard_api.meta import Reason
from modelyard_operator.refusals import read_refusal


class OperatorError(Exception):
    """The root of the operator's own errors."""


class SettingsInvalid(OperatorError):
    """The environment or the policy file cannot be used; the message says what to change."""


class Refused(OperatorError):
    """The object is not accepted. Whether it is looked at again unasked depends on the reason."""

    def __init__(
        self, reason: Reason, message: str, *, recheck_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.recheck_seconds = recheck_seconds


class Obstructed(OperatorError):
    """What is wanted cannot be had now: a reason of status, what happened, what to do."""

    def __init__(self, reason: Reason, message: str, hint: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint


class ChildRefused(Obstructed):
    """The API server refused a child or its pods (quota, admission); it is given its words."""

    def __init__(self, said: str) -> None:
        refusal = read_refusal(said)
        super().__init__(Reason.APPLY_REFUSED, refusal.message, refusal.hint)


class ScalerUnavailable(Obstructed):
    """What spec.scaling.mode relies on is not there."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(Reason.SCALER_UNAVAILABLE, message, hint)


class Unresolved(Obstructed):
    """Nobody can say which commit the model's revision is."""


class ChildLeftOver(OperatorError):
    """A child of a deleted object of the same name is in the way until it is collected."""


class NamespaceLeaving(OperatorError):
    """The namespace is being deleted, and everything in it will go."""


class WatchLost(OperatorError):
    """The watch of ModelDeployments delivers nothing more; only a new process helps."""
