"""What a proxy may do wrong, and to which requests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    at: float
    method: str
    path: str
    query: dict

    @property
    def is_watch(self):
        return self.query.get("watch") == "true"

    @property
    def is_continued(self):
        return "continue" in self.query

    @property
    def is_write(self):
        return self.method != "GET"

    @property
    def is_list(self):
        return "limit" in self.query

    def is_about(self, resource):
        return f"/{resource}" in self.path


@dataclass(frozen=True)
class Reply:
    """Answer instead of the API server."""

    status: int
    reason: str = ""
    headers: dict = field(default_factory=dict)
    text: str = ""

    def build(self):
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.status}
        body = {**status, "reason": self.reason, "message": f"injected {self.status}"}
        text = self.text or json.dumps(body)
        headers = {"Content-Type": "application/json", **self.headers}
        return web.Response(status=self.status, text=text, headers=headers)


class ApplyThenReset:
    """Let the API server do it, and reset the connection instead of answering."""


class Hang:
    """Keep the connection open and say nothing."""


@dataclass(frozen=True)
class EndWatch:
    """Open the watch, say this if anything, and end it at once."""

    text: str = ""


@dataclass(frozen=True)
class Drop:
    """Open the watch, and keep the events to yourself that match."""

    matches: Callable[[dict], bool]


def of(resource, **properties):
    """Pick requests about a resource: `of("pods", is_watch=True)`."""

    def where(seen):
        return seen.is_about(resource) and all(
            getattr(seen, name) == value for name, value in properties.items()
        )

    return where


def event(kind, body):
    """A line of a watch."""
    return json.dumps({"type": kind, "object": body}) + "\n"


def error_event(code, reason="InternalError"):
    """A line of a watch that says what went wrong."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return event("ERROR", {**status, "reason": reason, "message": f"injected {code}"})
