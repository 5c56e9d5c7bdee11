"""The reflector against a server that loses, repeats, ends and stalls."""

import asyncio
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from modelyard_kube.backoff import Backoff
from modelyard_kube.reflector import Reflector, WatchSettings
from modelyard_kube.resources import PODS
from tests.support.scripted_api import refusal, until


@dataclass(frozen=True)
class Slim:
    namespace: str
    name: str
    resource_version: str = field(compare=False)
    value: object = None


def project(body):
    metadata = body["metadata"]
    return Slim(
        metadata["namespace"], metadata["name"], metadata["resourceVersion"], body.get("value")
    )


class Watched:
    """A reflector that runs, and what it told."""

    def __init__(self, client, **settings):
        self.told = []
        self.reflector = Reflector(
            client,
            PODS,
            project=project,
            index=lambda record: (record.namespace, record.value),
            on_change=self._tell,
            backoff=Backoff(random=lambda: 0.0),
            settings=WatchSettings(selector="a=b", **settings),
        )

    def _tell(self, old, new):
        self.told.append((old.value if old else None, new.value if new else None))

    async def wait_told(self, *expected):
        await until(lambda: len(self.told) >= len(expected))
        assert self.told == list(expected)


@pytest.fixture
async def watch(client):
    """Start a reflector; settings as keywords."""
    tasks = []

    async def start(**settings):
        watched = Watched(client, **settings)
        tasks.append(asyncio.create_task(watched.reflector.run()))
        async with asyncio.timeout(10):
            await watched.reflector.synced.wait()
        return watched

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_there_is_told_and_can_be_found(api, watch):
    api.put("x", value=1)
    api.put("y", value=1)
    watched = await watch(page_size=1)
    assert sorted(watched.told) == [(None, 1), (None, 1)]
    assert watched.reflector.get("ns", "x").value == 1
    assert len(watched.reflector.select(("ns", 1))) == len(watched.reflector) == 2
    assert api.requests[0]["query"]["labelSelector"] == "a=b"


async def test_the_watch_goes_on_from_the_list(api, watch):
    api.put("x", value=1)
    watched = await watch()
    await api.wait_watches(1)
    assert api.requests[-1]["query"]["resourceVersion"] == str(api.version)
    await api.send("ADDED", api.put("y", value=2))
    await api.send("MODIFIED", api.put("x", value=3))
    await api.send("DELETED", api.remove("y"))
    await watched.wait_told((None, 1), (None, 2), (1, 3), (2, None))
    assert watched.reflector.select(("ns", 1)) == ()
    assert watched.reflector.select(("ns", 2)) == ()


async def test_a_change_of_nothing_that_is_read_wakes_nobody(api, watch):
    api.put("x", value=1)
    watched = await watch()
    await api.wait_watches(1)
    await api.send("MODIFIED", api.put("x", value=1, heartbeat=2))
    await api.send("MODIFIED", api.put("x", value=2))
    await watched.wait_told((None, 1), (1, 2))


async def test_an_ended_watch_goes_on_from_the_last_bookmark(api, watch):
    await watch()
    await api.wait_watches(1)
    bookmark = {"metadata": {"resourceVersion": "777"}}
    await api.send("BOOKMARK", bookmark)
    api.end_watches()
    await api.wait_watches(2)
    assert api.requests[-1]["query"]["resourceVersion"] == "777"
    assert [request["watch"] for request in api.requests] == [False, True, True]


@pytest.mark.parametrize("place", ["in the watch", "at the door"])
async def test_a_version_that_is_gone_leads_to_a_new_list_that_tells_of_what_was_missed(
    api, watch, place
):
    api.put("kept", value=1)
    api.put("changed", value=2)
    api.put("removed", value=3)
    watched = await watch()
    await api.wait_watches(1)
    api.put("changed", value=4)
    api.remove("removed")
    api.put("new", value=5)
    if place == "in the watch":
        await api.send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
    else:
        api.answers = [refusal(410, "Expired")]
        api.end_watches()
    await watched.wait_told((None, 1), (None, 2), (None, 3), (3, None), (2, 4), (None, 5))


async def test_an_error_in_the_watch_is_survived(api, watch):
    watched = await watch()
    await api.wait_watches(1)
    await api.send("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"})
    await api.wait_watches(2)
    await api.send("ADDED", api.put("x", value=1))
    await watched.wait_told((None, 1))


@pytest.mark.parametrize(
    "line",
    ['{"type": "MODI', "{}", '{"type": "ADDED", "object": {}}', "[]", '{"type": "ERROR"}'],
)
async def test_a_line_that_is_no_event_is_survived(api, watch, line):
    watched = await watch()
    await api.wait_watches(1)
    await api.send_line(line)
    await api.wait_watches(2)
    await api.send("ADDED", api.put("x", value=1))
    await watched.wait_told((None, 1))


async def test_a_list_that_is_refused_is_tried_again(api, watch):
    api.answers = [refusal(403, "Forbidden"), refusal(429), refusal(500)]
    api.put("x", value=1)
    watched = await watch()
    assert watched.told == [(None, 1)]


@pytest.mark.parametrize("answer", [{}, [], {"items": []}, None])
async def test_an_answer_that_is_no_list_is_survived(api, watch, answer):
    api.answers = [web.json_response(answer)]
    api.put("x", value=1)
    watched = await watch()
    assert watched.told == [(None, 1)]


async def test_a_watch_that_says_nothing_is_opened_anew(api, watch):
    # Long enough that the second one is still open when it is told something.
    watched = await watch(silence_seconds=1.0)
    await api.wait_watches(2)
    await api.send("ADDED", api.put("x", value=1))
    await watched.wait_told((None, 1))


async def test_from_time_to_time_everything_is_listed_again(api, watch):
    """Whatever the watch has lost is found then."""
    api.put("x", value=1)
    watched = await watch(relist_seconds=0.05, silence_seconds=0.1)
    api.remove("x")
    await watched.wait_told((None, 1), (1, None))


async def test_our_own_write_is_known_before_its_event(api, watch):
    api.put("x", value=1)
    watched = await watch()
    await api.wait_watches(1)
    stale = api.put("x", value=1)
    stale = {**stale, "metadata": dict(stale["metadata"])}
    ours = api.put("x", value=2)
    assert watched.reflector.note(ours).value == 2
    await api.send("MODIFIED", stale)
    await api.send("MODIFIED", ours)
    await api.send("MODIFIED", api.put("x", value=3))
    await watched.wait_told((None, 1), (2, 3))


async def test_our_own_write_survives_a_list_made_before_it(api, watch):
    watched = await watch(relist_seconds=0.05, silence_seconds=0.1)
    ours = {"metadata": {"name": "x", "namespace": "ns", "resourceVersion": "9999"}, "value": 1}
    watched.reflector.note(ours)
    await api.wait_watches(3)
    assert watched.reflector.get("ns", "x").value == 1


async def test_a_discarded_record_comes_back_with_its_next_event(api, watch):
    api.put("x", value=1)
    watched = await watch()
    await api.wait_watches(1)
    watched.reflector.discard("ns", "x")
    watched.reflector.discard("ns", "unknown")
    assert watched.reflector.get("ns", "x") is None
    await api.send("MODIFIED", api.put("x", value=1))
    await watched.wait_told((None, 1), (None, 1))


async def test_a_type_that_is_not_there_has_no_objects_until_it_is(api, watch):
    api.answers = [refusal(404, "NotFound"), refusal(404, "NotFound")]
    watched = await watch(may_be_missing=True, missing_seconds=0.01)
    await asyncio.wait_for(watched.reflector.synced.wait(), 10)
    assert len(watched.reflector) == 0
    api.put("late", value=1)
    await watched.wait_told((None, 1))


async def test_a_type_that_goes_takes_its_objects_along(api, watch):
    api.put("here", value=1)
    watched = await watch(may_be_missing=True, missing_seconds=0.01)
    await watched.wait_told((None, 1))
    await api.wait_watches(1)
    api.remove("here")
    api.answers = [refusal(404, "NotFound") for _ in range(3)]
    api.end_watches()
    await watched.wait_told((None, 1), (1, None))
    assert len(watched.reflector) == 0
