"""The audit compares what there is with what the watch told, and ends a deaf process."""

import pytest

from modelyard_kube.backoff import Backoff
from modelyard_kube.client import KubeClient
from modelyard_operator.audit import Audit
from modelyard_operator.errors import WatchLost
from modelyard_operator.intake import Intake, Stamp
from modelyard_operator.metrics import Metrics
from modelyard_operator.records import Key
from modelyard_operator.workqueue import Priority
from tests.support.scripted_api import ScriptedApi, refusal, running, write_kubeconfig

KEY = Key("ns", "qwen")


@pytest.fixture
async def api():
    async with running(ScriptedApi()) as server:
        yield server


@pytest.fixture
def added():
    return []


@pytest.fixture
def intake(added):
    return Intake(lambda key, _: added.append(key))


@pytest.fixture
async def audit(api, intake, tmp_path):
    client = await KubeClient.connect(write_kubeconfig(tmp_path / "k", api.url), user_agent="test")
    backoff = Backoff(random=lambda: 0.0)
    yield Audit(client, intake, Metrics(), backoff=backoff, every_seconds=0.01)
    await client.close()


def put(api, generation=1):
    body = api.put(KEY.name)
    body["metadata"] |= {"uid": "u", "generation": generation}


async def test_an_event_that_never_comes_ends_the_process(api, audit, added):
    put(api)
    with pytest.raises(WatchLost, match="missed events"):
        await audit.run()
    assert added == [KEY]
    assert "PartialObjectMetadataList" in api.requests[0]["headers"]["Accept"]


async def test_a_list_that_fails_proves_nothing(api, audit, added):
    api.answers = [refusal(503), refusal(429)]
    put(api)
    with pytest.raises(WatchLost):
        await audit.run()
    assert (added, len(api.requests)) == ([KEY], 4)


async def test_an_object_that_the_watch_has_told_of_is_no_news(api, audit, intake, added):
    put(api)
    intake.take(KEY, Stamp("u", 1, is_leaving=False), Priority.HIGH)
    assert await audit._compare()
    assert added == [KEY]


async def test_only_a_comparison_that_finds_nothing_missing_renews_the_watchs_age(
    api, audit, intake
):
    put(api)
    before = audit.last_good
    await audit._compare()
    assert audit.last_good == before
    intake.take(KEY, Stamp("u", 1, is_leaving=False), Priority.HIGH)
    await audit._compare()
    assert audit.last_good > before
