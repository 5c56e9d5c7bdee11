"""What the chart lets a gateway write: its own entry of status.demand, and nothing else."""

import json
import ssl
import uuid
from base64 import b64decode
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.kubectl import MDL, Namespace, build_kwok_node
from tests.support.waiting import wait_for

CHART = Path(__file__).parents[3] / "charts" / "modelyard"
REFUSED = "a gateway changes nothing of status but demand; the rest is the operator's"
AT = "2026-11-22T10:00:00Z"
STATUS = {
    "phase": "Ready",
    "url": "http://qwen",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": AT,
            "reason": "Serving",
            "message": "Serves.",
        }
    ],
}


@pytest.fixture(scope="module")
def account(control_plane):
    """A gateway's service account (`NAMESPACE`), with the rights and the policy of the chart."""
    name = f"gateway-{uuid.uuid4().hex[:6]}"
    manifests = control_plane.helm(
        *("template", name, str(CHART), "--namespace", name),
        *("--set", f"policy.gateway.serviceAccount={name}/gateway"),
        *("--show-only", "templates/gateway/*.yaml"),
    )
    node = build_kwok_node(f"{name}-node")
    control_plane.kubectl("create", "namespace", name)
    control_plane.kubectl("create", "serviceaccount", "gateway", "-n", name)
    control_plane.kubectl("apply", "-f", "-", input=manifests)
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(node))
    yield name
    control_plane.kubectl("delete", "-f", "-", input=manifests)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
    control_plane.kubectl("delete", "node", f"{name}-node")


@pytest.fixture(scope="module")
def pods(control_plane, account):
    """Two pods of the gateway."""
    names = ("gateway-a", "gateway-b")
    for name in names:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": account},
            "spec": {
                "serviceAccountName": "gateway",
                "nodeName": f"{account}-node",
                "containers": [{"name": "gateway", "image": "example.com/gateway:1"}],
            },
        }
        control_plane.kubectl("apply", "-f", "-", input=json.dumps(pod))
    return names


class Gateway:
    """What a client with the account's token gets to hear; an empty text where it had its way."""

    def __init__(self, cluster, account, pod=None):
        bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}") if pod else ()
        token = cluster.kubectl("create", "token", "gateway", "-n", account, *bound).strip()
        config = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
        authority = b64decode(config["certificate-authority-data"]).decode()
        self._client = httpx.Client(
            base_url=f"{cluster.api_server}/apis/modelyard.dev/v1alpha1",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cadata=authority),
        )

    def patch(self, namespace, status, **params):
        """Merge into the status."""
        return self.ask("PATCH", namespace, {"status": status}, part="/status", params=params)

    def ask(self, method, namespace, body=None, *, part="", kind="merge-patch+json", params=None):
        answer = self._client.request(
            method,
            f"/namespaces/{namespace}/modeldeployments/qwen{part}",
            content=json.dumps(body),
            headers={"Content-Type": f"application/{kind}"},
            params=params,
        )
        return "" if answer.is_success else answer.json()["message"]

    def close(self):
        self._client.close()


@pytest.fixture
def make_gateway(control_plane, account):
    """Clients with the account's token, bound to a pod or to none."""
    made = []

    def make(pod=None):
        made.append(Gateway(control_plane, account, pod))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def model(control_plane, namespace):
    """A model whose status the operator has written."""
    team = Namespace(control_plane, namespace)
    team.apply()
    write_status(team, STATUS)
    return team


@pytest.fixture
def gateway(make_gateway, model):
    """A gateway whose token is bound to no pod; the policy is in force."""
    gateway = make_gateway()
    # A policy takes a moment to be in force, and the rights as well.
    wait_for(
        lambda: REFUSED in gateway.patch(model.name, {"phase": "Failed"}, dryRun="All"),
        what="the policy is in force",
        seconds=60,
    )
    return gateway


def write_status(team, status):
    team.kubectl(
        *("patch", MDL, "qwen", "--type=merge", "--subresource=status"),
        *("-p", json.dumps({"status": status})),
    )


def demand(**entries):
    return {name.replace("_", "-"): {"waiting": n, "at": AT} for name, n in entries.items()}


def test_a_gateway_says_what_it_holds(gateway, model):
    assert gateway.patch(model.name, {"demand": demand(gateway_a=3)}) == ""
    assert gateway.patch(model.name, {"demand": demand(gateway_a=0)}) == ""
    assert model.status() == {**STATUS, "demand": demand(gateway_a=0)}


def test_a_gateway_is_heard_before_the_operator_has_written(gateway, make_model):
    fresh = make_model()
    assert gateway.patch(fresh.name, {"demand": demand(gateway_a=3)}) == ""
    assert fresh.status() == {"demand": demand(gateway_a=3)}
    assert REFUSED in gateway.patch(fresh.name, {"phase": "Ready"})


@pytest.fixture
def make_model(control_plane):
    """A model that nobody has written a status of."""
    made = []

    def make():
        name = f"test-{uuid.uuid4().hex[:8]}"
        control_plane.kubectl("create", "namespace", name)
        made.append(name)
        team = Namespace(control_plane, name)
        team.apply()
        return team

    yield make
    for name in made:
        control_plane.kubectl("delete", "namespace", name, "--wait=false")


REST = {
    "a phase": {"phase": "Failed"},
    "a condition that is another": {"conditions": [{**STATUS["conditions"][0], "status": "False"}]},
    "a condition removed": {"conditions": []},
    "all conditions removed": {"conditions": None},
    "a field that was not there": {"task": "embeddings"},
    "a field removed": {"url": None},
    "demand and another": {"demand": demand(gateway_a=1), "phase": "Failed"},
}


@pytest.mark.parametrize("name", REST)
def test_the_rest_of_status_is_the_operators(gateway, model, name):
    said = gateway.patch(model.name, REST[name])
    assert REFUSED in said
    assert model.status() == STATUS


def test_applying_is_judged_as_patching_is(gateway, model):
    """Server-side apply, by which a gateway's field manager owns its entry."""

    def apply(status):
        body = {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "qwen"},
            "status": status,
        }
        kind, params = "apply-patch+yaml", {"fieldManager": "gateway-a"}
        return gateway.ask("PATCH", model.name, body, part="/status", kind=kind, params=params)

    assert apply({"demand": demand(gateway_a=3)}) == ""
    assert REFUSED in apply({"demand": demand(gateway_a=3), "task": "embeddings"})
    assert model.status() == {**STATUS, "demand": demand(gateway_a=3)}


def test_a_pod_writes_no_other_pods_entry(make_gateway, pods, gateway, model):
    bound = make_gateway(pods[0])
    assert bound.patch(model.name, {"demand": demand(gateway_a=3)}) == ""
    said = bound.patch(model.name, {"demand": demand(gateway_b=5)})
    assert "writes only the entry of status.demand with its own name" in said
    assert gateway.patch(model.name, {"demand": demand(gateway_b=4)}) == ""
    said = bound.patch(model.name, {"demand": demand(gateway_a=4, gateway_b=5)})
    assert "its own name" in said
    assert model.status()["demand"] == demand(gateway_a=3, gateway_b=4)


def test_a_pod_takes_away_the_entry_of_one_that_is_gone(make_gateway, pods, gateway, model):
    bound = make_gateway(pods[0])
    assert gateway.patch(model.name, {"demand": demand(gateway_old=4)}) == ""
    assert bound.patch(model.name, {"demand": {"gateway-old": None, **demand(gateway_a=1)}}) == ""
    assert model.status()["demand"] == demand(gateway_a=1)


def test_the_spec_is_not_a_gateways_business(gateway, model):
    suspended = {"spec": {"suspend": True}}
    assert "forbidden" in gateway.ask("PATCH", model.name, suspended)
    assert "forbidden" in gateway.ask("DELETE", model.name)
    assert model.get(MDL)["spec"]["suspend"] is False


def test_nobody_else_is_kept_from_anything(gateway, model):
    assert gateway.patch(model.name, {"demand": demand(gateway_a=3)}) == ""
    write_status(model, {"phase": "Failed", "demand": {"gateway-a": None}})
    assert model.status() == {**STATUS, "phase": "Failed", "demand": {}}
