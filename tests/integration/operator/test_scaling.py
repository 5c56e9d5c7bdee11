"""Scaling on a real API server with its controllers; kwok plays the pods, a server their load."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from modelyard_api.meta import SCALE_MANAGER
from modelyard_kube.client import KubeClient
from modelyard_kube.resources import DEPLOYMENTS
from tests.support.kubectl import MDL, Namespace
from tests.support.operator_process import POLICY, OperatorProcess
from tests.support.pod_loads import PodLoads
from tests.support.replicas import ReplicasWatch
from tests.support.scaling_apis import keda_objects, metrics_of_pods

WITH_GATEWAY = f"""{POLICY}
gateway: {{serviceAccount: gateways/gateway}}
prometheus: {{address: "http://prometheus.monitoring:9090"}}
"""
QUICK = {"window": "10s", "scaleDownDelay": "0s", "target": {"inFlight": 8}}
RANGE = {"min": 2, "max": 9, **QUICK}
NONE = {"mode": "none", "replicas": 4}
BUILTIN = {"mode": "builtin", **RANGE}
HPA = {"mode": "hpa", **RANGE}
KEDA = {"mode": "keda", **RANGE}
SLEEPY = {"mode": "builtin", "max": 5, "idleAfter": "10s", **QUICK}


@pytest.fixture(scope="module")
def loads():
    with PodLoads() as loads:
        yield loads


@pytest.fixture(scope="module")
def scaler(operator, service_account, loads, tmp_path_factory):
    """An operator of this module's own: its policy has a gateway, and it asks pods elsewhere."""
    operator.stop()
    process = OperatorProcess(
        service_account,
        tmp_path_factory.mktemp("scaler"),
        WITH_GATEWAY,
        MODELYARD_REPORT_PORT=str(loads.port),
        MODELYARD_REPORT_TIMEOUT_SECONDS="1",
    )
    yield process.start()
    process.stop()


@pytest.fixture(scope="module")
def _apis(control_plane):
    with keda_objects(control_plane), metrics_of_pods(control_plane):
        yield


@pytest.fixture
def team(control_plane, scaler, namespace, loads):
    loads.total = 0.0
    return Namespace(control_plane, namespace, scaler.log)


def wait_replicas(team, loads, wanted, seconds=90):
    """Wait until the Deployment wants so many; meanwhile its pods are answered for."""

    def wants():
        loads.answer_for(team)
        child = team.get("deployment")
        return child is not None and child["spec"]["replicas"] == wanted

    team.wait(wants, f"{wanted} pods wanted", seconds)


def wait_answering(team, loads, count):
    team.wait(lambda: loads.answer_for(team) == count, f"{count} pods answer")


def find_events(team, reason):
    items = json.loads(
        team.kubectl(
            *("get", "events.v1.events.k8s.io", "-o", "json"),
            *("--field-selector", f"reason={reason}"),
        )
    )["items"]
    return [item["note"] for item in sorted(items, key=lambda item: item["eventTime"])]


def find_owners(team):
    """Who applies replicas."""
    body = json.loads(
        team.kubectl("get", "deployment", "qwen", "-o", "json", "--show-managed-fields")
    )
    return {
        claim["manager"]
        for claim in body["metadata"]["managedFields"]
        if "f:replicas" in claim["fieldsV1"].get("f:spec", {})
    }


def say_demand(team, waiting, *, age_seconds=0):
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    entry = {"waiting": waiting, "at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    team.kubectl(
        *("patch", MDL, "qwen", "--type=merge", "--subresource=status"),
        *("-p", json.dumps({"status": {"demand": {"gateway-0": entry}}})),
    )


def test_a_busy_model_gets_pods_and_gives_them_back(team, loads):
    team.apply(scaling={"mode": "builtin", "max": 9, **QUICK})
    team.wait_ready()
    wait_answering(team, loads, 1)
    loads.total = 40.0
    wait_replicas(team, loads, 5)
    assert find_owners(team) == {"modelyard-scale"}
    wait_answering(team, loads, 5)
    loads.total = 1.0
    wait_replicas(team, loads, 1)
    team.wait_ready()
    told = find_events(team, "Scaled")
    assert told[0].startswith("Scaled from 1 to ")
    assert told[-1].endswith("in flight, 8 each.")
    directions = [int(note.split()[4].strip(":")) > int(note.split()[2]) for note in told]
    assert directions == sorted(directions, reverse=True)


@pytest.mark.usefixtures("_apis")
def test_switching_between_modes_never_drops_a_pod(team, loads):
    team.apply(scaling=NONE)
    team.wait_ready()
    wait_answering(team, loads, 4)
    loads.total = 30.0  # what four pods are needed for
    with ReplicasWatch(team) as replicas:
        for scaling, kinds in (
            (BUILTIN, []),
            (HPA, ["horizontalpodautoscaler"]),
            (KEDA, ["scaledobject"]),
            (BUILTIN, []),
            (KEDA, ["scaledobject"]),
            (HPA, ["horizontalpodautoscaler"]),
            (NONE, []),
            (HPA, ["horizontalpodautoscaler"]),
            (NONE, []),
            (KEDA, ["scaledobject"]),
            (NONE, []),
        ):
            team.apply(scaling=scaling)
            team.wait(lambda kinds=kinds: find_scalers(team) == kinds, f"scaled by {kinds}")
            team.wait_ready()
            assert ("modelyard" in find_owners(team)) == (scaling is NONE)
    assert replicas.values == [4]


def find_scalers(team):
    kinds = ("horizontalpodautoscaler", "scaledobject")
    return [kind for kind in kinds if team.get(kind) is not None]


def claim(team, replicas):
    """The first of the two writes of a hand-over, as the operator makes it."""

    async def write():
        client = await KubeClient.connect(str(team.cluster.kubeconfig), user_agent="test")
        scale = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": "qwen", "namespace": team.name},
            "spec": {"replicas": replicas},
        }
        try:
            await client.apply(
                DEPLOYMENTS, scale, manager=SCALE_MANAGER, force=True, subresource="scale"
            )
        finally:
            await client.close()

    asyncio.run(write())


def test_a_hand_over_that_was_cut_off_is_finished_by_the_next_process(team, loads, scaler):
    team.apply(scaling=NONE)
    team.wait_ready()
    wait_answering(team, loads, 4)
    loads.total = 30.0
    scaler.stop(signal.SIGKILL)
    with ReplicasWatch(team) as replicas:
        team.apply(scaling=BUILTIN)
        claim(team, 4)
        assert find_owners(team) == {"modelyard", "modelyard-scale"}
        scaler.start()
        team.wait(lambda: find_owners(team) == {"modelyard-scale"}, "handed over")
        team.wait_ready()
    assert replicas.values == [4]


def test_what_a_model_was_scaled_to_gives_way_to_replicas(team, loads):
    team.apply(scaling=BUILTIN)
    team.wait_ready()
    wait_answering(team, loads, 2)
    loads.total = 40.0
    wait_replicas(team, loads, 5)
    with ReplicasWatch(team) as replicas:
        team.apply(scaling=NONE)
        wait_replicas(team, loads, 4)
        team.wait_ready()
    assert replicas.values == [5, 4]
    assert find_owners(team) == {"modelyard"}


@pytest.mark.usefixtures("_apis")
@pytest.mark.parametrize("scaling", [BUILTIN, HPA, KEDA], ids=["builtin", "hpa", "keda"])
def test_a_suspended_model_comes_back_with_its_minimum(team, loads, scaling):
    # As much as three pods carry, so that nothing takes back what a person has asked for.
    loads.total = 24.0
    team.apply(scaling=scaling)
    team.wait(lambda: team.get("deployment"), "a Deployment")
    team.kubectl("scale", "deployment", "qwen", "--replicas=3")
    with ReplicasWatch(team) as replicas:
        team.apply(scaling=scaling, suspend=True)
        team.wait_condition("Ready", "False", "Suspended")
        team.wait(lambda: not find_scalers(team), "nothing scales it")
        team.apply(scaling=scaling)
        wait_replicas(team, loads, 2)
        team.wait_ready()
    assert replicas.values == [3, 0, 2]


def test_an_idle_model_sleeps_and_demand_wakes_it(team, loads):
    team.apply(scaling=SLEEPY)
    team.wait_ready()
    wait_answering(team, loads, 1)
    wait_replicas(team, loads, 0)
    team.wait_condition("Ready", "True", "Sleeping")
    team.wait(lambda: team.status()["replicas"] == 0, "no pods")
    assert team.status()["phase"] == "Sleeping"
    say_demand(team, 20, age_seconds=40)
    say_demand(team, 20)
    wait_replicas(team, loads, 3)
    team.wait_ready()
    status = team.status()
    assert (status["readyReplicas"], status["demand"]["gateway-0"]["waiting"]) == (3, 20)
    assert find_events(team, "Scaled") == [
        "Scaled from 1 to 0: no requests for 10s.",
        "Scaled from 0 to 3: 20 requests waiting at the gateway, 8 each.",
    ]


@pytest.mark.usefixtures("_apis")
@pytest.mark.parametrize(
    ("scaling", "kind"),
    [(HPA, "horizontalpodautoscaler"), (KEDA, "scaledobject")],
    ids=["hpa", "keda"],
)
def test_what_others_do_to_the_scaler_is_undone(team, scaling, kind):
    team.apply(scaling=scaling)
    team.wait(lambda: team.get(kind), f"a {kind}")
    field = {"scaledobject": "maxReplicaCount"}.get(kind, "maxReplicas")
    team.kubectl("patch", kind, "qwen", "--type=merge", "-p", json.dumps({"spec": {field: 3}}))
    team.wait(lambda: team.get(kind)["spec"][field] == 9, "the edit is undone")
    team.kubectl("delete", kind, "qwen")
    team.wait(lambda: team.get(kind), f"a {kind} again")
    team.kubectl("delete", MDL, "qwen")
    team.wait(lambda: not team.list(f"{kind}s"), "collected")


def test_a_scaler_that_is_not_there_is_named(team):
    team.apply(scaling={"mode": "none", "replicas": 2})
    team.wait_ready()
    with ReplicasWatch(team) as replicas:
        team.apply(scaling={"mode": "hpa", "max": 4, "target": {"cpu": 80}})
        team.wait_condition("Progressing", "False", "ScalerUnavailable")
        team.wait_condition("Ready", "False", "ScalerUnavailable")
    assert team.condition("Available") == ("True", "Serving")
    failure = team.status()["failure"]
    assert "no metrics API for CPU and memory (API group metrics.k8s.io)" in failure["message"]
    assert "metrics-server" in failure["hint"]
    assert replicas.values == [2]
    assert find_scalers(team) == []


def test_the_rights_that_the_chart_gives_are_enough(team, scaler):
    team.apply(scaling=BUILTIN)
    team.wait_ready()
    messages = [line["message"] for line in scaler.log_lines()]
    assert [text for text in messages if "Forbidden" in text and "terminat" not in text] == []
    assert [line for line in scaler.log_lines() if "traceback" in line] == []
