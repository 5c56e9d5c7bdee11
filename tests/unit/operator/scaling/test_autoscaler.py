"""The loop: what it samples, writes, tells, and when it keeps its hands off."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from modelyard_api.v1alpha1 import Demand
from modelyard_kube.errors import ClusterError
from modelyard_operator.metrics import Metrics
from modelyard_operator.parsing import parse_metadata
from modelyard_operator.scaling import autoscaler as module
from modelyard_operator.scaling.autoscaler import Autoscaler, Followed
from modelyard_operator.scaling.decision import Rule
from modelyard_operator.scaling.load import PodLoad
from tests.support.fake_cluster import FakeCluster
from tests.support.objects import build_model, serving
from tests.support.reconciling import KEY
from tests.support.scripted_api import until

RULE = Rule(least=1, most=9, target=8, window_seconds=60, delay_seconds=300)
SLEEPY = Rule(least=1, most=9, target=8, window_seconds=60, delay_seconds=300, idle_seconds=60)
TODAY = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
WAITING = {"gateway-0": Demand(waiting=20, at="2026-11-22T09:59:59Z")}


class Telling(FakeCluster):
    """Keeps what Events say. An echo that does not come is a write that is not seen yet."""

    def __init__(self, *models):
        super().__init__(*models)
        self.told = []
        self.has_echo = True

    def emit(self, metadata, notice):
        self.told.append(notice.message)

    async def write_scale(self, live, replicas):
        if self.has_echo:
            await super().write_scale(live, replicas)
        else:
            self.writes.append("Scale")


class Rig:
    """A model with a Deployment, pods that say what they are told to, and a clock."""

    def __init__(self, replicas=1):
        self.cluster = Telling(build_model())
        self.cluster.put_child(
            "Deployment", KEY, owner_uid="uid-1", owner_name="qwen", spec={"replicas": replicas}
        )
        self.cluster.hidden.clear()
        self.loads = {}
        self.seconds = 1000.0
        self.looks = 0
        self.turns = asyncio.Semaphore(0)
        self.leading = True
        self.metrics = Metrics()
        self.autoscaler = Autoscaler(
            self.cluster,
            self,
            self.metrics,
            is_leading=lambda: self.leading,
            now=self.now,
            today=lambda: TODAY,
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def read(self, pods):
        await self.turns.acquire()
        self.looks += 1
        self.seconds += 1
        return {pod.uid: self.loads[pod.name] for pod in pods if pod.name in self.loads}

    def now(self):
        return self.seconds

    def serve(self, **loads):
        """These pods are ready; None: it does not answer."""
        self.cluster.pods[KEY] = [serving(name) for name in loads]
        self.loads = {name: PodLoad(load, 0) for name, load in loads.items() if load is not None}

    def follow(self, rule=RULE, demand=None, uid="uid-1"):
        metadata = parse_metadata(build_model(uid=uid))
        self.autoscaler.follow(KEY, Followed(metadata, rule, demand or {}))

    @property
    def replicas(self):
        return self.cluster.children["Deployment", KEY]["spec"]["replicas"]

    async def look(self, times=1):
        """So many more looks and no other, and the last one acted upon."""
        goal = self.looks + times
        for _ in range(times):
            self.turns.release()
        # The next one waits for its turn when the one before has ended.
        await until(lambda: self.looks == goal and self.turns.locked())
        await asyncio.sleep(0)

    def counted(self, name, **labels):
        return self.metrics.registry.get_sample_value(f"modelyard_operator_{name}", labels)


@asynccontextmanager
async def running(rig):
    task = asyncio.create_task(rig.autoscaler.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(module, "_EVERY_SECONDS_OF_MANY", 0.0)


@pytest.fixture
async def rig():
    rig = Rig()
    async with running(rig):
        yield rig


async def test_a_busy_model_gets_more_pods_and_says_why(rig):
    rig.serve(a=40)
    rig.follow()
    await rig.look(3)
    assert rig.replicas == 5
    assert rig.cluster.writes == ["Scale"]
    assert rig.cluster.told == ["Scaled from 1 to 5: 40 requests in flight, 8 each."]
    assert rig.counted("scale_changes_total", direction="up") == 1


async def test_a_model_that_is_not_followed_is_left_alone(rig):
    rig.serve(a=40)
    rig.follow()
    rig.autoscaler.leave(KEY)
    await asyncio.sleep(0)
    assert (len(rig.autoscaler), rig.looks, rig.cluster.writes) == (0, 0, [])


async def test_a_replica_that_does_not_lead_writes_nothing(rig):
    rig.leading = False
    rig.serve(a=40)
    rig.follow()
    await rig.look(20)
    assert rig.cluster.writes == []


async def test_another_objects_deployment_is_left_alone(rig):
    rig.serve(a=40)
    rig.follow(uid="uid-2")
    await rig.look(20)
    assert rig.cluster.writes == []


async def test_a_model_that_was_made_anew_starts_anew(rig):
    rig.serve(a=40)
    rig.follow(uid="uid-2")
    rig.follow(uid="uid-1")
    await rig.look(3)
    assert rig.replicas == 5


async def test_a_silent_pod_is_counted_and_keeps_its_model_awake(rig):
    rig.serve(a=0, b=None)
    rig.follow(SLEEPY)
    await rig.look(200)
    assert rig.replicas == 1
    assert rig.counted("loads_missed_total") == rig.counted("loads_read_total") == 200


async def test_an_idle_model_sleeps(rig):
    rig.serve(a=0)
    rig.follow(SLEEPY)
    await rig.look(62)
    assert rig.replicas == 0
    assert rig.cluster.told == ["Scaled from 1 to 0: no requests for 1m."]
    assert rig.counted("scale_changes_total", direction="down") == 1


async def test_requests_between_two_looks_are_seen(rig):
    """A gauge tells nothing of a request of a few milliseconds; the counter does."""
    rig.serve(a=0)
    rig.follow(SLEEPY)
    for count in range(8):
        rig.loads = {"a": PodLoad(0, count)}
        await rig.look(30)
    assert rig.replicas == 1


async def test_demand_wakes_a_model_that_sleeps():
    rig = Rig(replicas=0)
    rig.follow(SLEEPY)
    async with running(rig):
        await rig.look(5)
        assert rig.replicas == 0
        rig.follow(SLEEPY, WAITING)
        await rig.look()
        assert rig.replicas == 3
    assert rig.cluster.told == ["Scaled from 0 to 3: 20 requests waiting at the gateway, 8 each."]


async def test_a_write_that_fails_is_tried_again_and_told_once(rig):
    rig.cluster.refuse["Scale"] = ClusterError("busy", status=503)
    rig.serve(a=40)
    rig.follow()
    await rig.look(5)
    assert (rig.replicas, rig.cluster.told) == (1, [])
    del rig.cluster.refuse["Scale"]
    await rig.look(3)
    assert rig.replicas == 5
    assert len(rig.cluster.told) == 1


async def test_nothing_is_decided_before_the_last_write_is_seen(rig):
    rig.cluster.has_echo = False
    rig.serve(a=40)
    rig.follow()
    await rig.look(9)
    assert rig.cluster.writes == ["Scale"]
    await rig.look(4)
    assert rig.cluster.writes == ["Scale", "Scale"]


async def test_a_fault_of_ours_in_one_model_ends_nothing(rig):
    rig.serve(a=40)
    rig.loads["a"] = None
    rig.follow()
    await rig.look(3)
    assert rig.counted("scale_faults_total") == 3
    rig.serve(a=40)
    await rig.look(3)
    assert rig.replicas == 5


async def test_who_leads_anew_knows_nothing_of_before(rig):
    rig.serve(a=0)
    rig.follow(SLEEPY)
    await rig.look(40)
    rig.autoscaler.forget_all()
    assert len(rig.autoscaler) == 0
    rig.follow(SLEEPY)
    await rig.look(40)
    assert rig.replicas == 1
