"""A finished request as lines: one of usage, one of audit. Neither has what was asked. Pure."""

from dataclasses import dataclass

from modelyard_runtime.metering import Usage

Record = dict[str, object]

_MAX_PATH = 256


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is over. `route` is the template of its path, empty where there is none.

    `time` is when it ended, RFC 3339. `seconds` counts from its arrival. `is_refused`: it had no
    key, and so got no further than the door.
    """

    time: str
    request_id: str
    model: str
    task: str
    method: str
    path: str
    route: str
    client: str
    status: int
    seconds: float
    is_streamed: bool
    is_refused: bool
    usage: Usage


def build_usage_record(exchange: Exchange, *, revision: str) -> Record:
    """Return what is billed, to whom."""
    usage = exchange.usage
    return {
        "time": exchange.time,
        "event": "usage",
        "request_id": exchange.request_id,
        "owner": usage.owner,
        "model": exchange.model,
        "revision": revision,
        "task": exchange.task,
        "route": exchange.route,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "units": dict(usage.units),
        "seconds": round(exchange.seconds, 6),
        "status": exchange.status,
        "streamed": exchange.is_streamed,
    }


def build_audit_record(exchange: Exchange, *, unrecorded: int = 0) -> Record:
    """Return who asked for what kind of thing.

    `unrecorded` is how many refused requests have no line of their own since the last that has.
    """
    record: Record = {
        "time": exchange.time,
        "event": "audit",
        "request_id": exchange.request_id,
        "owner": exchange.usage.owner,
        "client": exchange.client,
        "model": exchange.model,
        "task": exchange.task,
        "method": exchange.method,
        "route": exchange.route,
        "status": exchange.status,
    }
    if exchange.is_refused:
        # It was never routed. Its path is not trusted with anything but being shown.
        record["path"] = exchange.path[:_MAX_PATH]
    if unrecorded:
        record["unrecorded"] = unrecorded
    return record
