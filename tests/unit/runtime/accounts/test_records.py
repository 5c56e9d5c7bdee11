"""What is written down of a request, and what never is."""

import dataclasses

from modelyard_runtime.accounts.records import Exchange, build_audit_record, build_usage_record
from modelyard_runtime.metering import Usage

ANSWERED = Exchange(
    time="2026-11-22T10:00:00.000+00:00",
    request_id="id-1",
    model="qwen",
    task="text-generation",
    method="POST",
    path="/v1/chat/completions",
    route="/v1/chat/completions",
    client="10.0.0.9",
    status=200,
    seconds=1.23456789,
    is_streamed=True,
    is_refused=False,
    usage=Usage(owner="alice", prompt_tokens=3, completion_tokens=4, units={"items": 1}),
)
REFUSED = dataclasses.replace(
    ANSWERED, path="/x" * 200, route="", status=401, is_refused=True, usage=Usage()
)


def test_usage_is_who_what_and_how_much():
    assert build_usage_record(ANSWERED, revision="91f8cb3a6c9d6039479e") == {
        "time": "2026-11-22T10:00:00.000+00:00",
        "event": "usage",
        "request_id": "id-1",
        "owner": "alice",
        "model": "qwen",
        "revision": "91f8cb3a6c9d6039479e",
        "task": "text-generation",
        "route": "/v1/chat/completions",
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "units": {"items": 1},
        "seconds": 1.234568,
        "status": 200,
        "streamed": True,
    }


def test_an_audit_is_who_from_where_what_kind_of_thing_and_the_outcome():
    assert build_audit_record(ANSWERED) == {
        "time": "2026-11-22T10:00:00.000+00:00",
        "event": "audit",
        "request_id": "id-1",
        "owner": "alice",
        "client": "10.0.0.9",
        "model": "qwen",
        "task": "text-generation",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
    }


def test_of_a_stranger_the_path_is_kept_cut_and_how_many_came_before():
    record = build_audit_record(REFUSED, unrecorded=7)
    assert (record["owner"], record["status"], record["path"], record["unrecorded"]) == (
        "",
        401,
        "/x" * 128,
        7,
    )
