"""The fence: a write that may not go leaves nothing on the wire."""

import asyncio

import pytest
from aiohttp import web

from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError, WriteKeptBack
from modelyard_kube.resources import DEPLOYMENTS, EVENTS, PODS
from tests.support.scripted_api import until, write_kubeconfig

MANIFEST = {"metadata": {"name": "x", "namespace": "ns"}, "spec": {"text": "ü"}}


def refuse():
    raise WriteKeptBack("not now")


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.apply(DEPLOYMENTS, MANIFEST, manager="me", force=True),
        lambda client: client.create(EVENTS, MANIFEST),
        lambda client: client.merge_patch(EVENTS, "ns", "x", {"spec": {}}),
        lambda client: client.delete(PODS, "ns", "x", uid="1"),
    ],
    ids=["apply", "create", "merge patch", "delete"],
)
async def test_no_write_passes_a_closed_fence(api, client, write):
    with pytest.raises(WriteKeptBack, match="not now") as caught:
        await write(client.fenced(refuse))
    assert (api.requests, caught.value.retriable) == ([], True)


async def test_reads_pass(api, client):
    api.answers = [web.json_response({"metadata": {"name": "x"}})]
    assert await client.fenced(refuse).get(PODS, "ns", "x") == {"metadata": {"name": "x"}}


async def test_an_open_fence_changes_nothing_and_the_first_client_has_none(api, client):
    api.answers = [web.json_response({"a": 1}), web.json_response({"a": 2})]
    await client.fenced(lambda: None).create(EVENTS, MANIFEST)
    client.fenced(refuse)
    await client.create(EVENTS, MANIFEST)
    fenced, plain = api.requests
    assert fenced["body"] == plain["body"]
    assert fenced["headers"] == plain["headers"]


async def test_a_fence_that_closes_while_the_connection_is_opened_keeps_the_write_back(tmp_path):
    heard, connections = [], []

    async def listen(reader, writer):
        connections.append(writer)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        heard.append(received)

    answers = iter([None, WriteKeptBack("too late")])

    def close_after_the_first_question():
        if (fault := next(answers)) is not None:
            raise fault

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kubeconfig = write_kubeconfig(tmp_path / "k", f"http://127.0.0.1:{port}")
    client = await KubeClient.connect(kubeconfig, user_agent="test")
    body = {**MANIFEST, "spec": {"text": "x" * 300_000}}
    with pytest.raises(ClusterError):
        await client.fenced(close_after_the_first_question).create(EVENTS, body)
    await client.close()
    await until(lambda: heard)
    server.close()
    await server.wait_closed()
    assert (len(connections), heard) == (1, [b""])
