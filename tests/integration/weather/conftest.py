"""An operator behind a proxy that makes weather, on a control plane that may be knocked about."""

import base64
import json
import os
import uuid
from contextlib import contextmanager
from time import monotonic

import pytest
import yaml

from modelyard_local import clusters
from tests.integration.conftest import CRD
from tests.support.fault_proxy import FaultProxy
from tests.support.kubectl import Namespace, build_kwok_node
from tests.support.operator_account import operator_account
from tests.support.operator_process import OperatorProcess
from tests.support.scripted_api import write_kubeconfig
from tests.support.supervisor import Supervisor
from tests.support.waiting import wait_for

SILENCE_SECONDS = 4
PREFIX = "weather-"


@pytest.fixture(scope="session")
def weather_cluster():
    """A control plane of its own, since its programs are killed. MODELYARD_KEEP=1 leaves it up."""
    cluster = clusters.up("weather", node=False)
    cluster.define(CRD.read_text())
    node = f"weather-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("apply", "-f", "-", input=json.dumps(build_kwok_node(node)))
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{node}")
    yield cluster
    cluster.kubectl("delete", "node", node)
    if not os.environ.get("MODELYARD_KEEP"):
        clusters.down("weather", purge=True)


@pytest.fixture(scope="session")
def account(weather_cluster):
    with operator_account(weather_cluster) as made:
        yield made


@pytest.fixture(scope="session")
def proxy(weather_cluster):
    config = yaml.safe_load(weather_cluster.kubeconfig.read_text())
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    made = FaultProxy(weather_cluster.api_server, base64.b64decode(authority).decode()).start()
    yield made
    made.stop()


def build_operator(account, proxy, folder, **variables):
    """An operator, not started, that sees the cluster through the proxy."""
    kubeconfig = write_kubeconfig(folder / "kubeconfig", proxy.url, account.token)
    return OperatorProcess(
        kubeconfig,
        folder,
        MODELYARD_NAMESPACE=account.namespace,
        MODELYARD_WATCH_SILENCE_SECONDS=str(SILENCE_SECONDS),
        MODELYARD_PATIENCE_SECONDS="4",
        **variables,
    )


@pytest.fixture(scope="session")
def supervisor(account, proxy, tmp_path_factory):
    """One operator for all tests, started again whenever it ends."""
    operator = build_operator(account, proxy, tmp_path_factory.mktemp("operator"))
    made = Supervisor(operator).start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def make_operator(account, proxy, supervisor, tmp_path):
    """Another operator in place of the one of all tests, which rests meanwhile."""

    @contextmanager
    def make(**variables):
        operator = build_operator(account, proxy, tmp_path, **variables)
        with supervisor.at_rest():
            yield operator
            operator.stop()

    return make


class Weather:
    """A namespace, the proxy that the operator sees it through, and the operator."""

    def __init__(self, cluster, proxy, supervisor, team):
        self.cluster, self.proxy, self.team = cluster, proxy, team
        self.operator = supervisor.operator
        self._supervisor = supervisor
        self._exits = len(supervisor.exits)
        self.began = monotonic()
        self.silence_seconds = SILENCE_SECONDS

    @property
    def exits(self):
        """How the operator has ended by itself since the test began."""
        return self._supervisor.exits[self._exits :]

    def ends_are_clean(self):
        """Whether it has ended by itself only with a status that says so, and a reason."""
        ends = self.exits
        return {end.status for end in ends} <= {1} and len(self.reasons()) == len(ends)

    def reasons(self):
        """What the operator has said before it ended, since the test began."""
        lines = [line["message"] for line in self.operator.log_lines() if "message" in line]
        ends = [text for text in lines if text.startswith("ending: ")]
        return ends[self._exits :]

    def wait_healthy(self, seconds=120):
        """Wait until the operator runs, is ready, and watches models and children."""
        wait_for(self._is_healthy, what="healthy", seconds=seconds, told=self.operator.log)

    def _is_healthy(self):
        return self.operator.is_ready() and all(
            self.proxy.is_watched(lambda seen, kind=kind: seen.is_about(kind))
            for kind in ("modeldeployments", "deployments", "services", "networkpolicies", "pods")
        )

    def count_specs(self):
        """How often the spec of each child was written, its creation included."""
        return {
            (item["kind"].lower(), item["metadata"]["name"]): item["metadata"].get("generation", 1)
            for kind in ("deployments", "services", "networkpolicies", "poddisruptionbudgets")
            for item in self.team.list(kind)
        }


@pytest.fixture
def weather(weather_cluster, proxy, supervisor):
    """Fair weather at the beginning; at the end nothing was written where it has no business."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    weather_cluster.kubectl("create", "namespace", name)
    team = Namespace(weather_cluster, name, supervisor.operator.log)
    made = Weather(weather_cluster, proxy, supervisor, team)
    made.wait_healthy()
    yield made
    made.wait_healthy()
    weather_cluster.kubectl("delete", "namespace", name, "--wait=false")
    assert [seen for seen in proxy.seen if _is_stray(seen)] == []


def _is_stray(seen):
    """A write to what is no test's, the operator's own lease aside."""
    is_ours = f"/namespaces/{PREFIX}" in seen.path or "/leases" in seen.path
    return seen.is_write and not is_ours
