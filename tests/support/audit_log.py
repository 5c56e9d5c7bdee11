"""What the API server wrote down about requests: who wrote what, and when."""

import json
from datetime import UTC, datetime
from typing import NamedTuple

from modelyard_local import state

_READS = {"get", "list", "watch"}


class Write(NamedTuple):
    """A request that changes something, whether or not it was let."""

    at: datetime
    agent: str
    user: str
    resource: str
    name: str
    status: int


class AuditLog:
    """The audit log of a cluster that was brought up with one."""

    def __init__(self, cluster):
        self._path = state.files_of(cluster.name).logs / "audit.log"

    def exists(self):
        return self._path.exists()

    def find_writes(self, who, since):
        """All writes of a user, or a user agent, that arrived after a moment, in their order."""
        found = []
        with self._path.open() as lines:
            for line in lines:
                # The API server may be in the middle of the last one.
                if who in line and line.endswith("\n"):
                    write = _parse(json.loads(line))
                    if write is not None and who in write[1:3] and write.at > since:
                        found.append(write)
        return sorted(found)


def now():
    """This moment, as audit logs tell it."""
    return datetime.now(UTC)


def _parse(entry):
    if entry["verb"] in _READS:
        return None
    target = entry.get("objectRef", {})
    return Write(
        datetime.fromisoformat(entry["requestReceivedTimestamp"]),
        entry.get("userAgent", ""),
        # Who is refused before being known has no name.
        entry["user"].get("username", ""),
        "/".join(part for part in (target["resource"], target.get("subresource")) if part),
        target.get("name", ""),
        entry.get("responseStatus", {}).get("code", 0),
    )
