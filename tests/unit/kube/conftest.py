"""A scripted API server and a client of it."""

import pytest

from modelyard_kube.client import KubeClient
from tests.support.scripted_api import ScriptedApi, running, write_kubeconfig


@pytest.fixture
async def api():
    async with running(ScriptedApi()) as server:
        yield server


@pytest.fixture
async def client(api, tmp_path):
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
    client = await KubeClient.connect(kubeconfig, user_agent="test")
    yield client
    await client.close()
