"""What can go wrong in the operator.

OperatorError
├── SettingsInvalid     the environment or the policy file cannot be used: the process ends
├── Refused             the object is not acted upon; status.conditions say why
├── ChildRefused        the API server refuses a child and would refuse it again unchanged
├── ChildLeftOver       a child of a deleted object of the same name is still being collected
├── NamespaceLeaving    the namespace is being deleted: nothing is to be done any more
└── WatchLost           kopf's watch is dead though it does not know: the process ends

What the cluster does not answer, or answers with a passing error, is modelyard_kube's
ClusterError: the key is tried again with backoff.
"""

from modelyard_api.meta import Reason


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


class ChildRefused(OperatorError):
    """The API server refused a child (quota, admission): its words, for Progressing."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ChildLeftOver(OperatorError):
    """A child of a deleted object of the same name is in the way until it is collected."""


class NamespaceLeaving(OperatorError):
    """The namespace is being deleted, and everything in it will go."""


class WatchLost(OperatorError):
    """The watch of ModelDeployments delivers nothing more; only a new process helps."""
