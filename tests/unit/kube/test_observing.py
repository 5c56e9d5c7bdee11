"""What an observer is told of the client's requests."""

from unittest.mock import ANY

import pytest
from aiohttp import web

from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError
from modelyard_kube.resources import DEPLOYMENTS, EVENTS, PODS
from modelyard_kube.transport import Call
from tests.support.scripted_api import refusal, write_kubeconfig

MANIFEST = {"metadata": {"name": "x", "namespace": "ns"}}


@pytest.fixture
def told():
    return []


@pytest.fixture
async def client(api, told, tmp_path):
    client = await KubeClient.connect(
        write_kubeconfig(tmp_path / "kubeconfig", api.url),
        user_agent="test",
        observe=lambda *what: told.append(what),
    )
    yield client
    await client.close()


async def ask_for_a_list(client):
    async for _ in client.list(PODS):
        pass


async def open_a_watch(client):
    async with client.watch(
        PODS, selector="", since="1", server_seconds=60, silence_seconds=60
    ) as _:
        pass


@pytest.mark.parametrize(
    ("ask", "call"),
    [
        pytest.param(lambda c: c.get(PODS, "ns", "x"), Call("get", "pods"), id="an object"),
        pytest.param(
            lambda c: c.get_metadata(PODS, "ns", "x"), Call("get", "pods"), id="its metadata"
        ),
        pytest.param(ask_for_a_list, Call("list", "pods"), id="a list"),
        pytest.param(
            lambda c: c.create(EVENTS, MANIFEST), Call("create", "events"), id="a new object"
        ),
        pytest.param(
            lambda c: c.apply(DEPLOYMENTS, MANIFEST, manager="me", force=True),
            Call("patch", "deployments"),
            id="an applied object",
        ),
        pytest.param(
            lambda c: c.apply(
                DEPLOYMENTS, MANIFEST, manager="me", force=True, subresource="status"
            ),
            Call("patch", "deployments/status"),
            id="an applied status",
        ),
        pytest.param(
            lambda c: c.merge_patch(EVENTS, "ns", "x", {}), Call("patch", "events"), id="a patch"
        ),
        pytest.param(
            lambda c: c.delete(PODS, "ns", "x", uid="1"), Call("delete", "pods"), id="a deletion"
        ),
    ],
)
async def test_a_request_is_told_of_in_the_words_of_rbac(api, client, told, ask, call):
    api.answers = [web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})]
    await ask(client)
    assert told == [(call, 200, ANY)]
    assert 0 < told[0][2] < 60


async def test_a_watch_is_told_of_when_it_opens(client, told):
    await open_a_watch(client)
    assert told == [(Call("watch", "pods"), 200, ANY)]


async def test_a_created_object_has_a_status_of_its_own(api, client, told):
    api.answers = [web.json_response({}, status=201)]
    await client.create(EVENTS, MANIFEST)
    assert told == [(Call("create", "events"), 201, ANY)]


@pytest.mark.parametrize(
    ("ask", "call"),
    [
        pytest.param(
            lambda c: c.create(EVENTS, MANIFEST), Call("create", "events"), id="a request"
        ),
        pytest.param(open_a_watch, Call("watch", "pods"), id="a watch"),
    ],
)
async def test_a_refusal_is_told_of_with_its_status(api, client, told, ask, call):
    api.answers = [refusal(403, "Forbidden")]
    with pytest.raises(ClusterError):
        await ask(client)
    assert told == [(call, 403, ANY)]


async def test_a_missing_object_is_told_of_though_it_is_no_error(api, client, told):
    api.answers = [refusal(404, "NotFound")]
    assert await client.get(PODS, "ns", "x") is None
    assert told == [(Call("get", "pods"), 404, ANY)]


async def test_an_answer_that_cannot_be_read_has_no_status(api, client, told):
    api.answers = [web.Response(text="<html>")]
    with pytest.raises(ClusterError):
        await client.get(PODS, "ns", "x")
    assert told == [(Call("get", "pods"), 0, ANY)]


async def test_no_answer_has_no_status(told, tmp_path, unused_tcp_port):
    client = await KubeClient.connect(
        write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{unused_tcp_port}"),
        user_agent="test",
        observe=lambda *what: told.append(what),
    )
    with pytest.raises(ClusterError):
        await client.get(PODS, "ns", "x")
    assert told == [(Call("get", "pods"), 0, ANY)]
    await client.close()
