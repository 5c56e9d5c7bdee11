"""Commits of branches: asked for once, in the background, without any credential."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelyard_operator import resolving as module
from modelyard_operator.desired.rendering import Source
from modelyard_operator.errors import Unresolved
from modelyard_operator.records import Key
from modelyard_operator.resolving import Resolver
from tests.support.scripted_api import until

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = Source(repository="org/name", revision="feature/x")
KEY, OTHER = Key("team", "a"), Key("team", "b")


class Hub:
    """Answers with what it is told to, else with the commit."""

    def __init__(self):
        self.answers = []
        self.asked = []

    async def handle(self, request):
        self.asked.append((request.raw_path, request.headers.get("Authorization")))
        if self.answers:
            return self.answers.pop(0)
        return web.json_response({"sha": COMMIT, "siblings": []})


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
async def hub():
    hub = Hub()
    app = web.Application()
    app.router.add_get("/{path:.*}", hub.handle)
    async with TestServer(app) as server:
        hub.url = str(server.make_url("/mirror"))
        yield hub


@pytest.fixture
async def resolver(hub):
    """A resolver that runs; whom it tells is in `told`, its clock in `clock`."""
    told, clock = [], Clock()
    resolver = Resolver(hub.url, timeout_seconds=2.0, now=clock, on_answer=told.append)
    resolver.told, resolver.clock = told, clock
    task = asyncio.create_task(resolver.run())
    yield resolver
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ask(resolver, key=KEY, source=SOURCE):
    before = len(resolver.told)
    wait = resolver.want(key, source)
    await until(lambda: len(resolver.told) > before)
    return wait


async def test_a_branch_is_resolved_without_credentials_and_its_asker_told(hub, resolver):
    assert resolver.find(SOURCE) is None
    assert await ask(resolver) is None
    assert resolver.find(SOURCE) == COMMIT
    assert hub.asked == [("/mirror/api/models/org/name/revision/feature%2Fx", None)]


async def test_an_answer_that_comes_in_many_pieces_is_read_to_its_end(hub, resolver):
    """The page of a model lists all its files."""
    files = [{"rfilename": f"model-{number:05}.safetensors"} for number in range(20_000)]
    hub.answers.append(web.json_response({"siblings": files, "sha": COMMIT}))
    await ask(resolver)
    assert resolver.find(SOURCE) == COMMIT


async def test_an_answer_without_end_is_given_up(hub, resolver, monkeypatch):
    monkeypatch.setattr(module, "_MAX_BYTES", 1000)
    hub.answers.append(web.json_response({"siblings": ["x" * 2000], "sha": COMMIT}))
    await ask(resolver)
    assert "more than 1000 bytes" in resolver.find(SOURCE).message


async def test_many_who_ask_the_same_are_answered_by_one_request(hub, resolver):
    resolver.want(KEY, SOURCE)
    resolver.want(OTHER, SOURCE)
    await until(lambda: len(resolver.told) == 2)
    assert (sorted(resolver.told), len(hub.asked)) == ([KEY, OTHER], 1)


async def test_no_revision_is_the_main_branch(hub, resolver):
    await ask(resolver, source=Source(repository="org/name"))
    assert hub.asked[0][0].endswith("/revision/main")


async def test_an_old_answer_is_asked_for_anew(hub, resolver):
    await ask(resolver)
    resolver.clock.seconds += 61
    assert resolver.find(SOURCE) is None
    await ask(resolver)
    assert (resolver.find(SOURCE), len(hub.asked)) == (COMMIT, 2)


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        pytest.param(lambda: web.Response(status=404), "ModelNotFound", "feature/x", id="unknown"),
        pytest.param(lambda: web.Response(status=401), "Unauthorized", "private", id="private"),
        pytest.param(lambda: web.Response(status=403), "Unauthorized", "private", id="gated"),
        pytest.param(lambda: web.Response(status=500), "SourceUnreachable", "500", id="broken"),
        pytest.param(lambda: web.Response(text="<html>"), "SourceUnreachable", "JSON", id="html"),
        pytest.param(
            lambda: web.json_response({"sha": "../../etc"}),
            *("SourceUnreachable", "no commit"),
            id="no commit in it",
        ),
        pytest.param(lambda: web.json_response([]), "SourceUnreachable", "no commit", id="a list"),
    ],
)
async def test_what_is_no_answer_is_explained_and_asked_again_later(
    hub, resolver, answer, reason, said
):
    hub.answers.append(answer())
    await ask(resolver)
    failure = resolver.find(SOURCE)
    assert isinstance(failure, Unresolved)
    assert (failure.reason, said in failure.message, bool(failure.hint)) == (reason, True, True)
    assert resolver.want(KEY, SOURCE) == 5.0
    resolver.clock.seconds += 5
    assert resolver.find(SOURCE) is failure, "until there is another answer"
    await ask(resolver)
    assert resolver.find(SOURCE) == COMMIT


async def test_waits_grow_with_each_failure(hub, resolver):
    waits = []
    for _ in range(5):
        hub.answers.append(web.Response(status=503))
        await ask(resolver)
        waits.append(resolver.want(KEY, SOURCE))
        resolver.clock.seconds += waits[-1]
    assert waits == [5.0, 15.0, 60.0, 300.0, 300.0]


async def test_a_hub_that_cannot_be_reached_is_named():
    told = []
    resolver = Resolver(
        "http://127.0.0.1:1", timeout_seconds=2.0, now=Clock(), on_answer=told.append
    )
    task = asyncio.create_task(resolver.run())
    resolver.want(KEY, SOURCE)
    await until(lambda: told)
    assert "http://127.0.0.1:1" in resolver.find(SOURCE).message
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
