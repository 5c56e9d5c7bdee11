"""kopf as we run it, against a small server: what it tells, and that its silence is noticed."""

import asyncio
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from aiohttp import web

from modelyard_kube.client import KubeClient
from modelyard_operator import handlers
from modelyard_operator.cluster import MODELS
from modelyard_operator.errors import WatchLost
from modelyard_operator.handlers import watch_models
from modelyard_operator.intake import Intake
from modelyard_operator.records import Key
from tests.support.scripted_api import ScriptedApi, refusal, running, until, write_kubeconfig

COLLECTION = MODELS.path(None)


def describe(kind, plural, *, namespaced):
    verbs = ["list", "watch", "patch"]
    names = {"kind": kind, "name": plural, "singularName": kind.lower()}
    return {"resources": [{**names, "namespaced": namespaced, "verbs": verbs}]}


def group(name, version):
    versions = [{"version": version}]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


class DiscoverableApi(ScriptedApi):
    """Says what types there are, which kopf asks first."""

    def __init__(self):
        super().__init__()
        self.token_refusals = self.expired_pages = 0
        self.documents = {
            "/api": {"versions": ["v1"]},
            "/api/v1": describe("Namespace", "namespaces", namespaced=False),
            "/apis": {
                "groups": [
                    group("modelyard.dev", "v1alpha1"),
                    group("apiextensions.k8s.io", "v1"),
                ]
            },
            "/apis/modelyard.dev/v1alpha1": describe(
                "ModelDeployment", "modeldeployments", namespaced=True
            ),
            "/apis/apiextensions.k8s.io/v1": describe(
                "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
            ),
        }

    async def handle(self, request):
        if self.token_refusals:
            self.token_refusals -= 1
            return refusal(401, "Unauthorized")
        if self.expired_pages and "continue" in request.query:
            self.expired_pages -= 1
            return refusal(410, "Expired")
        if request.path in self.documents:
            return web.json_response(self.documents[request.path])
        return await super().handle(request)

    def put_model(self, name, generation=1):
        body = self.put(name)
        body["metadata"].update({"uid": f"uid-{name}", "generation": generation})
        return body


@pytest.fixture
async def api():
    async with running(DiscoverableApi()) as api:
        yield api


class Watch:
    """watch_models that runs, and the keys it told of."""

    def __init__(self, client):
        self.keys = []
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            watch_models(
                Intake(lambda key, _: self.keys.append(key)),
                client.login,
                silence_seconds=30.0,
                patience_seconds=15.0,
                stop=self.stop,
                on_start=lambda: None,
            )
        )


@pytest.fixture
async def client(api, tmp_path):
    client = await KubeClient.connect(write_kubeconfig(tmp_path / "k", api.url), user_agent="test")
    yield client
    await client.close()


@asynccontextmanager
async def watching(client):
    """A watch that runs. No fixture: when kopf ends it cancels every task younger than itself."""
    watch = Watch(client)
    try:
        yield watch
    finally:
        watch.task.cancel()
        await asyncio.wait({watch.task})


def count_asked(api, *, watch):
    asked = [request for request in api.requests if request["path"] == COLLECTION]
    return sum(request["watch"] == watch for request in asked)


async def test_what_is_listed_and_what_changes_is_told(api, client):
    api.put_model("old")
    async with watching(client) as watch:
        await api.wait_watches(1)
        await api.send("ADDED", api.put_model("new"))
        await until(lambda: watch.keys == [Key("ns", "old"), Key("ns", "new")])


async def test_it_ends_when_told(api, client):
    async with watching(client) as watch:
        await api.wait_watches(1)
        watch.stop.set()
        assert await asyncio.wait_for(watch.task, 10) is None


async def test_a_watch_that_ends_in_silence_is_noticed_at_once(api, client):
    """As kopf's does when its inactivity time-out strikes while it hands an event on."""
    async with watching(client) as watch:
        await api.wait_watches(1)
        watchers = [
            task for task in asyncio.all_tasks() if task.get_name().startswith("watcher for")
        ]
        began = monotonic()
        watchers[0].cancel()
        with pytest.raises(WatchLost, match="ended by itself"):
            await asyncio.wait_for(watch.task, 10)
        assert monotonic() - began < 5


async def test_an_error_in_the_watch_is_told_as_the_reason(api, client):
    async with watching(client) as watch:
        await api.wait_watches(1)
        await api.send("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"})
        with pytest.raises(WatchLost, match="etcd is away"):
            await asyncio.wait_for(watch.task, 10)


async def test_an_api_that_discovery_does_not_show_is_not_waited_for(api, client, monkeypatch):
    """It happens just after the CRD was made, and kopf looks only once."""
    monkeypatch.setattr(handlers, "_SEARCH_SECONDS", 0.5)
    del api.documents["/apis"]["groups"][0]
    async with watching(client) as watch:
        with pytest.raises(WatchLost, match="has not found the ModelDeployment API"):
            await asyncio.wait_for(watch.task, 10)


async def test_a_token_that_is_refused_for_a_while_is_tried_again(api, client):
    async with watching(client) as watch:
        await api.wait_watches(1)
        api.token_refusals = 3
        api.end_watches()
        await api.wait_watches(2)
        await api.send("ADDED", api.put_model("new"))
        await until(lambda: watch.keys == [Key("ns", "new")])


async def test_watches_that_end_at_once_are_not_opened_without_pause(api, client):
    async with watching(client):
        await api.wait_watches(1)
        deadline = monotonic() + 3
        while monotonic() < deadline:
            api.end_watches()
            await asyncio.sleep(0.01)
        assert count_asked(api, watch=True) <= 8


async def test_a_list_that_expires_between_its_pages_is_begun_anew(api, client):
    async with watching(client) as watch:
        await api.wait_watches(1)
        for number in range(501):
            api.put_model(f"model-{number}")
        api.expired_pages = 1
        await api.send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
        await until(lambda: len(watch.keys) == 501)
        assert count_asked(api, watch=False) == 4
