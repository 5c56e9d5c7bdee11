"""Events: few, counted, bounded, and never in the way."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from modelyard_kube.events import Aggregator, EventRecorder, Notice, Subject
from tests.support.scripted_api import refusal, until

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
SUBJECT = Subject("modelyard.dev/v1alpha1", "ModelDeployment", "team", "qwen", "uid-1")
NOTICE = Notice("Warning", "OutOfMemory", "killed")


@pytest.fixture
def aggregator():
    return Aggregator(component="modelyard.dev/operator", instance="pod-0")


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def test_an_event_says_what_happened_to_whom(aggregator):
    post = aggregator.decide(SUBJECT, NOTICE, NOW)
    name = post.manifest["metadata"].pop("name")
    assert name.startswith("qwen.660da8a518800")
    assert post.manifest == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "team"},
        "regarding": {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "namespace": "team",
            "name": "qwen",
            "uid": "uid-1",
        },
        "type": "Warning",
        "reason": "OutOfMemory",
        "action": "Reconcile",
        "note": "killed",
        "eventTime": "2026-11-22T10:00:00.000000Z",
        "reportingController": "modelyard.dev/operator",
        "reportingInstance": "pod-0",
    }


def test_the_same_message_is_only_counted_for_a_minute(aggregator):
    posts = [aggregator.decide(SUBJECT, NOTICE, later(s)) for s in (0, 10, 59, 60)]
    assert [post is not None for post in posts] == [True, False, False, True]
    assert posts[3].manifest["series"] == {
        "count": 4,
        "lastObservedTime": "2026-11-22T10:01:00.000000Z",
    }
    assert not posts[3].is_first


def test_one_object_cannot_flood(aggregator):
    notices = [Notice("Normal", "R", str(number)) for number in range(100)]
    posts = [aggregator.decide(SUBJECT, notice, NOW) for notice in notices]
    assert sum(post is not None for post in posts) == 12
    assert aggregator.decide(SUBJECT, NOTICE, later(600)) is not None


def test_names_sort_as_things_happened(aggregator):
    """`kubectl describe` shows them in that order."""
    reasons = ("RollingOut", "Crashed", "RolledBack", "Ready")
    posts = [
        aggregator.decide(SUBJECT, Notice("Normal", reason, "x"), later(number / 1000))
        for number, reason in enumerate(reasons)
    ]
    posts.sort(key=lambda post: post.manifest["metadata"]["name"])
    assert [post.manifest["reason"] for post in posts] == list(reasons)


def test_a_long_message_is_cut_to_what_the_server_takes(aggregator):
    post = aggregator.decide(SUBJECT, Notice("Normal", "R", "ü" * 2000), NOW)
    assert post.manifest["note"] == "ü" * 512


async def run_until_posted(recorder, api, count):
    task = asyncio.create_task(recorder.run())
    await until(lambda: len(api.requests) >= count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def recorder(client):
    return EventRecorder(client, component="modelyard.dev/operator", instance="pod-0")


async def test_a_repeated_event_is_counted_on_the_first(api, client):
    moments = iter([later(0), later(60)])
    recorder = EventRecorder(client, component="c", instance="i", now=lambda: next(moments))
    recorder.emit(SUBJECT, NOTICE)
    recorder.emit(SUBJECT, NOTICE)
    await run_until_posted(recorder, api, 2)
    created, patched = api.requests
    name = json.loads(created["body"])["metadata"]["name"]
    assert (created["method"], patched["method"]) == ("POST", "PATCH")
    assert patched["path"].endswith(f"/{name}")
    assert json.loads(patched["body"])["series"]["count"] == 2


async def test_an_event_that_cannot_be_posted_is_given_up(api, recorder):
    api.answers = [refusal(403, "Forbidden"), web.json_response({})]
    recorder.emit(SUBJECT, NOTICE)
    recorder.emit(SUBJECT, Notice("Normal", "Ready", "yes"))
    await run_until_posted(recorder, api, 2)
    assert [request["method"] for request in api.requests] == ["POST", "POST"]
    assert recorder.dropped == 1


async def test_what_was_told_is_posted_before_the_end(api, recorder):
    task = asyncio.create_task(recorder.run())
    for number in range(3):
        recorder.emit(SUBJECT, Notice("Normal", "Ready", str(number)))
    await recorder.flush(limit_seconds=5)
    assert len(api.requests) == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_end_does_not_wait_for_events_for_long(recorder, caplog):
    caplog.set_level("INFO")
    recorder.emit(SUBJECT, NOTICE)
    await recorder.flush(limit_seconds=0.01)
    assert caplog.messages == ["events not posted in time: 1"]


async def test_a_full_queue_drops_and_counts(recorder):
    for number in range(1100):
        subject = Subject("v1", "X", "ns", f"x{number}", f"uid-{number}")
        recorder.emit(subject, NOTICE)
    assert recorder.dropped == 100
