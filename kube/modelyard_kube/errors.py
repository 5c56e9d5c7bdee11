"""The errors that leave this package: no way to connect, and what the cluster did not do."""

from typing import Any, Self

_UNANSWERED = 0
_CONFLICT = 409
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_UNAUTHORIZED = 401


class ConnectionInvalid(Exception):
    """There is no usable kubeconfig or service account."""


class ClusterError(Exception):
    """A request to the API server failed.

    `status` is the HTTP status, 0 when there was no answer at all (refused, reset, timed out).
    `causes` are the reasons of details, such as NamespaceTerminating.
    `retriable` says whether the same request may succeed later without anyone changing anything.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = _UNANSWERED,
        reason: str = "",
        causes: frozenset[str] = frozenset(),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after
        self.kind = self.namespace = self.name = ""

    def about(self, kind: str, namespace: str, name: str) -> Self:
        """Say which object the request was about; name and namespace are empty for lists."""
        self.kind, self.namespace, self.name = kind, namespace, name
        return self

    @property
    def retriable(self) -> bool:
        """True for no answer, conflict, throttling, server errors and a token just expired."""
        return (
            self.status in {_UNANSWERED, _CONFLICT, _TOO_MANY_REQUESTS, _UNAUTHORIZED}
            or self.status >= _SERVER_ERROR
        )

    def __str__(self) -> str:
        where = "/".join(part for part in (self.namespace, self.name) if part)
        subject = f"{self.kind} {where}".strip()
        answer = f"{self.status} {self.reason}".strip() if self.status else "no answer"
        return f"{subject}: {answer}: {self.message}" if subject else f"{answer}: {self.message}"


class WriteKeptBack(ClusterError):
    """A write was not sent, since this process does not hold the lease."""


def parse_status(status: int, body: Any, retry_after: str | None) -> dict[str, Any]:
    """Return the arguments of a ClusterError for an answer of the API server."""
    document = body if isinstance(body, dict) and body.get("kind") == "Status" else {}
    details = document.get("details") or {}
    wait = details.get("retryAfterSeconds", retry_after)
    return {
        "message": document.get("message") or f"HTTP status {status}",
        "status": status,
        "reason": document.get("reason", ""),
        "causes": frozenset(cause.get("reason", "") for cause in details.get("causes") or ()),
        # Retry-After may also be a date; the API server sends seconds, so anything else is ignored.
        "retry_after": float(wait) if wait is not None and str(wait).isdigit() else None,
    }
